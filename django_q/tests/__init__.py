"""Where Django Q and django-q2 have the functions of their tests, which people try tasks with."""
