"""Applications from the package index, unchanged, in one site whose tasks a real cluster runs.

The environment "task-clients" in tox.ini installs the applications and runs the tests. The files of
tests are called ``check_...``, so that nobody collects them who has not installed the applications.
"""
