"""What Redis does as a whole for the storage: programs that it runs by itself.

All keys begin with ``KEYS[1]``. There is

* ``:name:NAME``, a hash: the registration of a name,
* ``:names``, a sorted set of all names, and ``:tag:TAG`` of those with a tag: with
  equal scores Redis orders them by their bytes, which is by code points in UTF-8,
* ``:expiries``, a sorted set: when names with a ttl expire,
* ``:owners``, a hash: how many names each owner has,
* ``:version``, the latest version given to anything,
* ``:changes``, a stream: the history, whose first entry says nothing,
* ``:write:ID``, for a while: the answer to a request. It is given again to whoever
  asks once more, and a request that was thought lost does nothing when it comes late.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CHANGES", "EXPIRED", "POSITION", "PUT", "REMOVE", "RENEW", "SEARCH"]

# An answer is asked for again for less than half of that.
_ANSWER_KEPT_SECONDS: Final = 60

# Versions are microseconds since the epoch, or one more than the last: none comes
# again even if Redis has lost the latest of its data.
_NEXT_VERSION: Final = """
local base = KEYS[1]
local function next_version()
  local clock = redis.call('TIME')
  local version = tonumber(redis.call('GET', base .. ':version') or '0') + 1
  local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
  if now > version then version = now end
  version = string.format('%.0f', version)
  redis.call('SET', base .. ':version', version)
  return version
end
"""

_FORGET: Final = """
local function forget(name, tags, owner)
  redis.call('ZREM', base .. ':names', name)
  redis.call('ZREM', base .. ':expiries', name)
  for _, tag in ipairs(cjson.decode(tags)) do
    redis.call('ZREM', base .. ':tag:' .. tag, name)
  end
  if redis.call('HINCRBY', base .. ':owners', owner, -1) <= 0 then
    redis.call('HDEL', base .. ':owners', owner)
  end
end
"""

PUT: Final = f"""{_NEXT_VERSION}{_FORGET}
local write, history, name, expected, expiry = unpack(ARGV, 1, 5)
local uri, tags, owner, ttl, registered, renewed = unpack(ARGV, 6, 11)
local key, done = base .. ':name:' .. name, base .. ':write:' .. write
local answer = redis.call('GET', done)
if answer then return tonumber(answer) end
local known = redis.call('HMGET', key, 'version', 'uri', 'tags', 'owner', 'ttl')
if expected ~= '' and (known[1] or '0') ~= expected then
  redis.call('SET', done, 0, 'EX', {_ANSWER_KEPT_SECONDS})
  return 0
end
local version = next_version()
local same = known[2] == uri and known[3] == tags and known[4] == owner
  and known[5] == ttl
if not same then
  if known[1] then forget(name, known[3], known[4]) end
  redis.call('ZADD', base .. ':names', 0, name)
  for _, tag in ipairs(cjson.decode(tags)) do
    redis.call('ZADD', base .. ':tag:' .. tag, 0, name)
  end
  redis.call('HINCRBY', base .. ':owners', owner, 1)
  redis.call('XADD', base .. ':changes', 'MAXLEN', '=', history, version .. '-0',
    'kind', known[1] and 'changed' or 'added', 'name', name, 'uri', uri,
    'tags', tags, 'owner', owner, 'ttl', ttl, 'registered', registered,
    'renewed', renewed, 'version', version)
end
if expiry ~= '' then redis.call('ZADD', base .. ':expiries', expiry, name) end
redis.call('HSET', key, 'uri', uri, 'tags', tags, 'owner', owner, 'ttl', ttl,
  'registered', registered, 'renewed', renewed, 'version', version)
redis.call('SET', done, 1, 'EX', {_ANSWER_KEPT_SECONDS})
return 1
"""

RENEW: Final = f"""{_NEXT_VERSION}
local owner, now = ARGV[1], ARGV[2]
local renewed = {{}}
for at = 3, #ARGV do
  local name = ARGV[at]
  local key = base .. ':name:' .. name
  local known = redis.call('HMGET', key, 'owner', 'ttl', 'renewed')
  if known[1] == owner then
    local ttl = tonumber(known[2])
    if ttl <= 0 or ttl > tonumber(now) - tonumber(known[3]) then
      redis.call('HSET', key, 'renewed', now, 'version', next_version())
      if ttl > 0 then
        local expiry = string.format('%.17g', tonumber(now) + ttl)
        redis.call('ZADD', base .. ':expiries', expiry, name)
      end
      renewed[#renewed + 1] = name
    end
  end
end
return renewed
"""

REMOVE: Final = f"""{_NEXT_VERSION}{_FORGET}
local done, history = base .. ':write:' .. ARGV[1], ARGV[2]
local answer = redis.call('GET', done)
if answer then return cmsgpack.unpack(answer) end
local removed = {{}}
for at = 3, #ARGV, 2 do
  local name, expected = ARGV[at], ARGV[at + 1]
  local key = base .. ':name:' .. name
  local known = redis.call('HMGET', key, 'version', 'tags', 'owner')
  if known[1] and (expected == '' or known[1] == expected) then
    forget(name, known[2], known[3])
    redis.call('DEL', key)
    redis.call('XADD', base .. ':changes', 'MAXLEN', '=', history,
      next_version() .. '-0', 'kind', 'removed', 'name', name)
    removed[#removed + 1] = name
  end
end
redis.call('SET', done, cmsgpack.pack(removed), 'EX', {_ANSWER_KEPT_SECONDS})
return removed
"""

SEARCH: Final = """
local base, first, last = KEYS[1], ARGV[1], ARGV[2]
local limit, every = tonumber(ARGV[3]), ARGV[4] == 'every'
local found, sets = {}, {}
for at = 5, #ARGV do sets[#sets + 1] = base .. ARGV[at] end
local function add(name)
  found[#found + 1] = name
  found[#found + 1] = redis.call('HMGET', base .. ':name:' .. name,
    'uri', 'tags', 'owner', 'ttl', 'registered', 'renewed', 'version')
end
if not every then
  for _, set in ipairs(sets) do
    for _, name in ipairs(redis.call('ZRANGEBYLEX', set, first, last,
        'LIMIT', 0, limit)) do
      add(name)
    end
  end
  return found
end
local smallest, size = nil, math.huge
for _, set in ipairs(sets) do
  local card = redis.call('ZCARD', set)
  if card < size then smallest, size = set, card end
end
local names
repeat
  names = redis.call('ZRANGEBYLEX', smallest, first, last, 'LIMIT', 0, limit)
  for _, name in ipairs(names) do
    local is_in_all = true
    for _, set in ipairs(sets) do
      if set ~= smallest and not redis.call('ZSCORE', set, name) then
        is_in_all = false
        break
      end
    end
    if is_in_all then add(name) end
    if #found == 2 * limit then return found end
  end
  first = '(' .. (names[#names] or '')
until #names < limit
return found
"""

EXPIRED: Final = """
local base, found = KEYS[1], {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', base .. ':expiries', '-inf',
    ARGV[1], 'LIMIT', 0, ARGV[2])) do
  found[#found + 1] = name
  found[#found + 1] = redis.call('HGET', base .. ':name:' .. name, 'version')
end
return found
"""

# A position is that of an entry: as long as that is kept, so is all that follows.
POSITION: Final = f"""{_NEXT_VERSION}
local stream = base .. ':changes'
local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
if last then return last[1] end
return redis.call('XADD', stream, next_version() .. '-0', 'kind', 'none')
"""

CHANGES: Final = """
local after = ARGV[1]
local found = redis.call('XRANGE', KEYS[1] .. ':changes', after, '+',
  'COUNT', ARGV[2] + 1)
if not found[1] or found[1][1] ~= after then return false end
table.remove(found, 1)
return found
"""
