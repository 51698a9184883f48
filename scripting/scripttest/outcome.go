package scripttest

// The examples of outcome: a script with its tests.
const (
	outcomeExample = `job(retry = retry(max = 3))

def produce(ctx):
    ctx.emit({"n": 1})
    ctx.emit({"n": -1})

def consume(ctx, item):
    if item["n"] < 0:
        error("too small", code = "feed.small")
    return item["n"] * 2

def fail(ctx, item, err):
    if err.code == "feed.small":
        ctx.cancel("not for us")

def test_each_hook_alone(t):
    made = t.produce()
    t.eq(made.status, "open")
    t.eq(made.items, [{"n": 1}, {"n": -1}])
    one = t.consume({"n": 1})
    t.eq(one.status, "completed")
    t.eq(one.result, 2)
    bad = t.consume({"n": -1}, expect = "failed")
    t.eq(bad.error.code, "feed.small")
    t.eq(t.fail({"n": -1}, {"message": "too small", "code": "feed.small"}).verdict, "cancel")
    t.eq(t.fail({"n": 1}, "the network is down").verdict, "retry")

def test_the_whole_life(t):
    job = t.run()
    t.eq(job.status, "completed")
    t.eq(job.children["completed"], 1)
    t.eq(job.children["cancelled"], 1)
`
	outcomeLua = `job({retry = retry({max = 3})})

function produce(ctx)
  ctx.emit({n = 1})
  ctx.emit({n = -1})
end

function consume(ctx, item)
  if item.n < 0 then error("too small", {code = "feed.small"}) end
  return item.n * 2
end

function fail(ctx, item, err)
  if err.code == "feed.small" then ctx.cancel("not for us") end
end

function test_each_hook_alone(t)
  local made = t.produce()
  t.eq(made.status, "open")
  t.eq(made.items, {{n = 1}, {n = -1}})
  local one = t.consume({n = 1})
  t.eq(one.status, "completed")
  t.eq(one.result, 2)
  local bad = t.consume({n = -1}, {expect = "failed"})
  t.eq(bad.error.code, "feed.small")
  t.eq(t.fail({n = -1}, {message = "too small", code = "feed.small"}).verdict, "cancel")
  t.eq(t.fail({n = 1}, "the network is down").verdict, "retry")
end

function test_the_whole_life(t)
  local job = t.run()
  t.eq(job.status, "completed")
  t.eq(job.children.completed, 1)
  t.eq(job.children.cancelled, 1)
end
`
)
