"""Steps on an OpenStack cloud: what is wanted, what is there, what differs, and how to make it so.

`model` holds the wanted things, `kinds` how each is found, made, changed and removed, `plan` what a cloud cannot change, `steps` the
doing. Every request goes through openstacksdk's proxy layer by `cloud`. Nothing here imports the SDK before a cloud is spoken to.
"""
