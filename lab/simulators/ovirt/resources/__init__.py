"""The collections of the API, one module per subject, and what a fresh engine holds."""
