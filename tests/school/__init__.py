"""The school's use cases, each as a login of the role that they are for."""
