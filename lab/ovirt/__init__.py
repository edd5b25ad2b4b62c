"""Steps on an oVirt engine: what is wanted, what is there, what differs, and how to make it so.

`model` holds the wanted things, `kinds` one module per resource, `plan` the thinking without an engine, `steps` the doing.
Nothing here imports the SDK before an engine is spoken to, so that a site without oVirt needs no compiler.
"""
