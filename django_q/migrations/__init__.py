"""The steps to the tables.

Those numbered 1 to 19 bear the names that Django Q and django-q2 gave to their steps, and each
takes the tables as far as the step of that name took them: a database of either may have any
number of them recorded, and goes on from there, and migrations of other apps may depend on any
of them. Those whose step changed nothing in a database, or nothing that 0001 did not do at once,
are empty. What this project adds begins at 0020.
"""
