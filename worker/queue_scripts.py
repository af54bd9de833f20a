"""What a worker does with its queue in Redis, in Dramatiq's own keys, each deed in one step.

`ns:queue` lists the ids that wait, `ns:queue.msgs` has their payloads, `ns:__acks__.worker.queue` the ids that a worker
has fetched, `ns:__heartbeats__` the last sign of life of each worker, `ns:queue.XQ` and `.XQ.msgs` the dead letters:
all of it Dramatiq's. Ours beside: `ns:__started__.worker.queue`, ids that the worker has begun with; `ns:queue.deaths`,
how many workers died over each id; `ns:queue.XQ.errors`, why each is dead. Moments are the server's.
"""

_BEFORE = """
local ns, queue, worker = KEYS[1], ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local base = string.gsub(queue, '%.DQ$', '')
local waiting, payloads = ns .. ':' .. queue, ns .. ':' .. queue .. '.msgs'
local deaths, dead = ns .. ':' .. base .. '.deaths', ns .. ':' .. base .. '.XQ'
local heartbeats = ns .. ':__heartbeats__'
local function acks_of(name, of_queue) return ns .. ':__acks__.' .. name .. '.' .. of_queue end
local function started_of(name, of_queue) return ns .. ':__started__.' .. name .. '.' .. of_queue end
local acks, started = acks_of(worker, queue), started_of(worker, queue)
local function bury(id, error)
    local payload = redis.call('HGET', payloads, id)
    if payload then
        redis.call('ZADD', dead, now, id)
        redis.call('HSET', dead .. '.msgs', id, payload)
        redis.call('HSET', dead .. '.errors', id, error)
        redis.call('HDEL', payloads, id)
    end
    redis.call('HDEL', deaths, id)
    return payload
end
redis.call('ZADD', heartbeats, now, worker)
"""

ENQUEUE = """
redis.call('HSET', KEYS[1] .. ':' .. ARGV[1] .. '.msgs', ARGV[2], ARGV[3])
redis.call('RPUSH', KEYS[1] .. ':' .. ARGV[1], ARGV[2])
"""

# Ids and payloads in turns; an empty payload where there is none.
FETCH = (
    _BEFORE
    + """
local found = {}
for _ = 1, tonumber(ARGV[3]) do
    local id = redis.call('LPOP', waiting)
    if not id then break end
    redis.call('SADD', acks, id)
    table.insert(found, id)
    table.insert(found, redis.call('HGET', payloads, id) or '')
end
return found
"""
)

START = _BEFORE + "redis.call('SADD', started, ARGV[3])"

ACK = (
    _BEFORE
    + """
redis.call('SREM', started, ARGV[3])
if redis.call('SREM', acks, ARGV[3]) > 0 then
    redis.call('HDEL', payloads, ARGV[3])
    redis.call('HDEL', deaths, ARGV[3])
end
"""
)

NACK = (
    _BEFORE
    + """
redis.call('SREM', started, ARGV[3])
if redis.call('SREM', acks, ARGV[3]) > 0 then bury(ARGV[3], ARGV[4]) end
"""
)

# The ids that were fetched and not acknowledged, but for those in hand.
STRANDED = _BEFORE + "return redis.call('SMEMBERS', acks)"

REQUEUE = (
    _BEFORE
    + """
for place = 3, #ARGV do
    redis.call('SREM', started, ARGV[place])
    if redis.call('SREM', acks, ARGV[place]) > 0 and redis.call('HEXISTS', payloads, ARGV[place]) > 0 then
        redis.call('RPUSH', waiting, ARGV[place])
    end
end
"""
)

# ARGV: queue, worker, heartbeat timeout and time to live of dead letters in milliseconds, deaths that are too many, the
# queues of the namespace. Gives the payloads that were buried.
MAINTAIN = (
    _BEFORE
    + """
local buried = {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', heartbeats, 0, now - ARGV[3])) do
    for _, id in ipairs(redis.call('SMEMBERS', acks_of(name, queue))) do
        local was_begun = redis.call('SISMEMBER', started_of(name, queue), id) > 0
        local count = was_begun and redis.call('HINCRBY', deaths, id, 1) or 0
        if count >= tonumber(ARGV[5]) then
            local payload = bury(id, 'quarantined: its worker died over it ' .. count .. ' times')
            if payload then table.insert(buried, payload) end
        elseif redis.call('HEXISTS', payloads, id) > 0 then
            redis.call('RPUSH', waiting, id)
        end
    end
    redis.call('DEL', acks_of(name, queue), started_of(name, queue))
    local left = 0
    for place = 6, #ARGV do left = left + redis.call('EXISTS', acks_of(name, ARGV[place])) end
    if left == 0 then redis.call('ZREM', heartbeats, name) end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', dead, 0, now - ARGV[4], 'LIMIT', 0, 1000)) do
    redis.call('ZREM', dead, id)
    redis.call('HDEL', dead .. '.msgs', id)
    redis.call('HDEL', dead .. '.errors', id)
end
return buried
"""
)
