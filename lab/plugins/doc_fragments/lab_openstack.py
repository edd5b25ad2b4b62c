"""What every lab_openstack_* module takes."""


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  project_folder: {description: The folder of this project, type: path, required: true}
  cloud:
    description: The cloud and who speaks to it
    type: dict
    required: true
    suboptions:
      auth_url: {description: 'https://NAME:5000/v3', type: str, required: true}
      user: {description: Who logs in, type: str, required: true}
      password: {description: Of the user, type: str, required: true}
      project: {description: What is logged in to, type: str}
      user_domain: {description: Default if not given, type: str}
      project_domain: {description: Default if not given, type: str}
      system: {description: Log in to the whole system instead of a project, type: bool}
      region: {description: Of several in the catalog, type: str}
      ca_file: {description: CA of its certificates as PEM, type: path}
      address: {description: What the names of its endpoints stand for where DNS does not know them, type: str}
"""
