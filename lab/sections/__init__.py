"""The optional sections of a site file, one module per stage: its model, and its checks of the whole site."""
