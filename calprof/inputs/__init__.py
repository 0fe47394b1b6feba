"""Inputs for a forward: the caller's own, or made from a shape, a tokenizer, a processor, a configuration."""
