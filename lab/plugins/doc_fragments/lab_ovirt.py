"""What every lab_ovirt_* module takes."""


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  project: {description: The project's folder, type: path, required: true}
  engine:
    description: The engine and who speaks to it
    type: dict
    required: true
    suboptions:
      url: {description: 'https://ENGINE/ovirt-engine/api', type: str, required: true}
      user: {description: 'Such as admin@internal', type: str, required: true}
      password: {description: Of the user; a session is renewed with it, type: str}
      token: {description: A session that is kept open, instead of the password, type: str}
      ca_file: {description: The engine's CA as PEM, type: path, required: true}
"""
