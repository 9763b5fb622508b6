-- Returns the version of the notices, and key, when it was posted, and text of each. Those that are
-- over are dropped.
local current, gone = read_all()
if #gone > 0 then
  change_version()
  for _, key in ipairs(gone) do redis.call('HDEL', notices, key) end
end
table.insert(current, 1, string.format('%.0f', read_version()))
return current
