-- ARGV: the terms of a call. Returns the id of the task that has one of its keys, and its version
-- where it may be replaced; nothing when there is none.
local task_id, version = find_duplicate(read_call(ARGV[1]))
return task_id and {task_id, version}
