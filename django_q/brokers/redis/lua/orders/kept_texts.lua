-- Put behind prelude.lua before scripts that keep something beside payloads.

-- Read what is to be kept of some deliveries, from ARGV[at] on: how many they are; then receipt,
-- attempts and position of each. Returns the texts by receipt, and the place behind.
local function read_new_kept(at)
  local texts, last = {}, at + 3 * tonumber(ARGV[at])
  for i = at + 1, last, 3 do texts[ARGV[i]] = {ARGV[i + 1], ARGV[i + 2]} end
  return texts, last + 1
end

-- Return the receipt of a delivery that is held, whose state split_receipts() has returned.
local function receipt_of(id, state)
  return state == '0-1' and id or id .. '.' .. state
end

-- Keep texts, in the order of KEPT_NAMES, beside a payload; empty ones change nothing.
local function save_kept(hash, id, texts)
  if not texts then return end
  local values = {KEPT_MARK, '', PLACEHOLDER_MEMBER, ''}
  for i, text in ipairs(texts) do
    if text ~= '' then
      values[#values + 1], values[#values + 2] = KEPT_NAMES[i] .. ':' .. id, text
    end
  end
  if #values > 4 then redis.call('HSET', hash, unpack(values)) end
end
