"""Sources in which ``async`` is a name, a keyword, or text.

``ASYNC`` stands for a name that is Django Q's: ``async`` before, ``async_task`` after.
"""

IMPORT = "from django_q.tasks import ASYNC\n"

IMPORTS = [
    "from django_q import ASYNC",
    "from django_q.tasks import ASYNC as q\nq(1)",
    "from django_q import result, ASYNC as q, fetch\n",
    "from django_q.tasks import (ASYNC,  # async, the queue\n    result)\n",
    "from django_q.tasks import \\\n\tASYNC\nASYNC(f)\n",
    "from django_q.tasks import *\nASYNC(1)",
    "def f():\n    from django_q import ASYNC\n    return ASYNC(g)\n",
    "try:\n    from django_q import ASYNC\nexcept ImportError:\n    ASYNC = None\n",
    "from django_q import ASYNC;from django_q.tasks import ASYNC\n\n\n",
]
ATTRIBUTES = [
    "import django_q\ndjango_q.ASYNC(f)",
    "import django_q.tasks\ndjango_q . tasks . ASYNC(f)",
    "import django_q.tasks as t; t.ASYNC(f); t.async_iter(f)",
    "from django_q import tasks\nrun = tasks.ASYNC\n",
    "from django_q import tasks as t\ntasks = None\nt.ASYNC = tasks\ndel t.ASYNC\n",
    "import django_q as dq\n(dq\n .tasks  # there\n .\n ASYNC(1))",
    "from django_q import tasks\n@tasks.ASYNC\ndef f(tasks=tasks.ASYNC) -> tasks.ASYNC: pass",
    "from django_q import tasks\nclass A(tasks.ASYNC):\n  tasks = 1\n  def f(self): tasks.ASYNC",
]
NAMES = [
    "ASYNC(\n  'math.modf',\n  2.5)",
    "@ASYNC\ndef f(x=ASYNC): ASYNC\ndel ASYNC",
    "x = ASYNC\ndef f(): pass",
    "f(*ASYNC, **ASYNC)[ASYNC:ASYNC]",
    "lambda: ASYNC;ASYNC",
    "def f():\n global ASYNC\n ASYNC = 1",
    "class A:\n  f = ASYNC\n  def g(s): ASYNC(s)",
    "print(ASYNC if ASYNC else not ASYNC)",
    "match = ASYNC\nx: ASYNC = 1\nif (f := ASYNC): pass",
    "ASYNC\\\n(f); ASYNC.real; x.real = ASYNC",
    "0 if 1 else ASYNC; 1.5e-10.real, 1..real, ASYNC",
    "ASYNC\nwith x: pass\nASYNC # with\nfor x in y: pass\nASYNC\f\ndef f(): pass",
    "[ASYNC for x in y]",
    "[ASYNC for ASYNC in ASYNC for x in y]",
    "{ASYNC: ASYNC for x in y}, {ASYNC for x in y}",
    "f(ASYNC for x in y)",
    "[x + ASYNC\n for x in y]",
    "[not ASYNC for x in y]",
    "[lambda: ASYNC for x in y]",
    "[x.y for x in ASYNC for y in ASYNC if ASYNC]",
]
BESIDE_THE_KEYWORD = [
    "async def f(x):\n    async with x as y: ASYNC(y)",
    "async def f(x):\n    async for y in ASYNC: pass\n    else: ASYNC\\\n  .x",
    "async def f(x): return [ASYNC async for x in x if ASYNC for y in ASYNC]",
    "async def f(): [1 async for x in y], [ASYNC for x in y], ['' async for x in y]",
    "async def f(): [x for x in ASYNC async for x in y], (x async for x in ASYNC)",
    "async def f(): [... \\\n async # for\n for x in y], {ASYNC: x async for x in y}",
    "async def f(): [None async for x in y], [x() async for x in y], [[] async for x in y]",
    "async def f(): [await ASYNC async for x in y], [await ASYNC for x in y]",
]
STRINGS = [
    "'async()'; '''\nasync\n'''; r'\\\\'; b'async', ASYNC",
    "'it\\'s async'; ASYNC",
    '"""a"" async \\""" async"""; ASYNC',
    "'' 'async' \"\" 'async' '''''' 'async' '''''async'''; ASYNC",
    "'async\\\nasync'; rb'\\'async'; Rb'''\\'''async'''; ASYNC",
    "f'async {ASYNC} {{async}}'",
    "f'{ASYNC(1)!r:async>{ASYNC}}'",
    "f'{{{ASYNC}}}{x:}}}async'",
    "F\"{f'{ASYNC}' 'async'}\" 'async'",
    "rf'''\\{ASYNC:d{ASYNC}}\n'{ASYNC}'''",
    "f'\\N{BULLET} {ASYNC != ASYNC}' Rf'\\N{ASYNC}'",
    "f'{ {ASYNC: 1}[ASYNC] }'",
    "f'{(lambda x: ASYNC)(1):async}'",
    "f'\\'{ASYNC}\\\\{ASYNC}' f'' f'''{ASYNC!s}''' fr'\\\\'",
    "f'''{\nASYNC(\n'async')\n:async}\n'''",
]
BESIDE_TODAYS_NAME = [
    "try:\n    from django_q import async_task\n"
    "except ImportError:\n    from django_q.tasks import ASYNC as async_task\n",
    "try:\n    from django_q import async_task\n"
    "except ImportError:\n    from django_q import ASYNC\n    async_task = ASYNC\n",
    "try:\n    from django_q import ASYNC\n"
    "except ImportError:\n    from django_q import async_task as ASYNC\n",
    "from django_q import tasks\ndef async_task(): tasks.ASYNC(f)\n",
    "def async_task():\n    from django_q import ASYNC\n    ASYNC(f)\n",
    IMPORT + "class A:\n  def async_task(self): ASYNC(self)\n",
    IMPORT + "def f(async_task): async_task(1)\n",
]

STATEMENTS = [*NAMES, *BESIDE_THE_KEYWORD, *STRINGS]
REWRITTEN = [
    *IMPORTS,
    *ATTRIBUTES,
    *(IMPORT + source for source in STATEMENTS),
    *BESIDE_TODAYS_NAME,
]

UNTOUCHED = [
    "",
    "async def f(): pass",
    "from django_q.tasks import async_task\nasync_task(1)  # was async()",
    "async def f():\n    async with a, b: pass\n    async for x in y: return [z async for z in x]",
    "async \\\n def f():\n    if x:\n        async for y in z: pass",
    "@decorator\nasync\tdef f():\n    return {x async for x in y if x}, (x async\n for x in y)",
    "'from django_q import async'",
    "# from django_q import async",
    "async_ = asynchronous = my_async = ünasync = async·b = 1",
    "x = '''\nasync = 1'''",
]

OLD_IMPORT = IMPORT.replace("ASYNC", "async")
#: (source, line of the problem, words of it)
PROBLEMS = [
    (OLD_IMPORT + "requests.get(u, async=True)", 2, "argument's name"),
    (OLD_IMPORT + "async('f', async=True)", 2, "argument's name"),
    (OLD_IMPORT + "class A(B, async=1): pass", 2, "argument's name"),
    (OLD_IMPORT + "\n\nself.async = 1", 4, "'self.async' is not known"),
    (OLD_IMPORT + "get()[1](\n2).async()", 2, "is not known"),
    ("from django_q import tasks\nfrom a import tasks\ntasks.async()", 3, "'tasks.async'"),
    ("from django_q import tasks\ndef f(tasks): tasks.async()", 2, "'tasks.async'"),
    ("import django_q.models as m\nm.async(1)", 2, "'m.async'"),
    (OLD_IMPORT + "def f(async): pass", 2, "parameter"),
    (OLD_IMPORT + "f = lambda *, async=1: async", 2, "parameter"),
    (OLD_IMPORT + "def f():\n    async = 1\n", 3, "not Django Q's"),
    (OLD_IMPORT + "def f():\n    def async(): pass\n", 3, "not Django Q's"),
    (OLD_IMPORT + "class A:\n    async = 1\n", 3, "attribute of the class"),
    (OLD_IMPORT + "class A:\n    def async(self): pass\n", 3, "attribute of the class"),
    (OLD_IMPORT + "def f(x):\n match x:\n  case C(async=1): pass\n", 4, "not Django Q's"),
    ("async = True\nif async: pass", 1, "not Django Q's"),
    ("async(1)", 1, "not imported from django_q"),
    ("from celery import async\nasync(f)", 1, "'celery.async' is not known"),
    ("from celery import group as async", 1, "not Django Q's"),
    ("from . import async", 1, "'.async' is not known"),
    ("from .queue import async", 1, "'.queue.async' is not known"),
    ("import async", 1, "'async' is not known"),
    ("import a.async.b as c", 1, "'a.async.b' is not known"),
    ("from a.async import b", 1, "'a.async.b' is not known"),
    ("from django_q import async\nfrom celery import async", 2, "'celery.async'"),
    (OLD_IMPORT + "f'{async=}'", 2, "shows the name"),
    (OLD_IMPORT + "__all__ = ['f', 'async']", 2, "__all__"),
    (OLD_IMPORT + "__all__ += ('async',)", 2, "__all__"),
    (OLD_IMPORT + "def async_task(): pass", 1, "another 'async_task'"),
    (OLD_IMPORT + "from mine import async_task\nasync(1)", 1, "another 'async_task'"),
    (OLD_IMPORT + "def f(async_task): async(1)", 2, "another 'async_task'"),
    (OLD_IMPORT + "from mine import *\nasync_task(1)", 3, "another 'async_task'"),
    (OLD_IMPORT + "async(1)\nprint 'done'", 3, "does not compile"),
    (OLD_IMPORT + "async async", 2, "does not compile"),
    (OLD_IMPORT + "if x:\n\tasync(1)\n        async(2)", 4, "does not compile"),
    (OLD_IMPORT + "async('''", 2, "does not compile"),
    (OLD_IMPORT + "return async", 2, "does not compile"),
    (OLD_IMPORT + "async(\0)", 1, "does not compile"),
]
