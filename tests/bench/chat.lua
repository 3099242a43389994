-- wrk's side: one chat request of 2,048 bytes (BYTES) of plain English, always the same,
-- with the token in TOKEN; at the end one line that tests/bench/run reads.
local text = [[
The harbour master kept two books. In the first he wrote what the ships said they carried, and in the
second what he saw when the hatches were opened. For most of the year the two agreed, and he was glad of
it, because the second book was long work and his eyes were not what they had been. But in the autumn,
when the grain came down the river and the wine came up the coast, there was always a week in which the
books told different stories. He did not shout about it. He asked the captain to sit down, poured some
tea, and read both pages aloud, slowly, as if he had never seen either of them before. Most captains
remembered something by the second cup. A barrel had been counted twice, a sack had been given to a
cousin, a crate had gone over the side in the storm that everybody on the quay remembered well. He wrote
the explanation between the two books, on a loose sheet, and he pinned the sheet to the page with a brass
pin. When he retired, the town found four hundred and eleven brass pins in his drawer, each with its
sheet, and not a single case that had gone to the court. The young clerk who followed him asked why he
had kept the sheets at all, since every matter had been settled. The old man thought for a while. Because
people forget, he said, and then they argue, and a sheet of paper does not argue back. Please summarise
this story in three sentences for a reader who is nine years old, then say which of the two books you
would rather have kept, and why. Keep the tone warm, avoid long words, and do not add people or places
that the story does not mention. If something is not clear from the text, say so plainly, and do not guess.
]]
local head = '{"model":"gpt-4o-mini","temperature":0.2,"max_tokens":300,"messages":[' ..
	'{"role":"system","content":"You are a careful editor who answers in plain words."},' ..
	'{"role":"user","content":"'
local tail = '"}]}'
local words = text:gsub("%s+", " ")
local bytes = tonumber(os.getenv("BYTES") or "2048")
local room = bytes - #head - #tail
words = words:rep(math.floor(bytes / 2048), " ")
while #words < room do
	words = words .. " And please keep it short."
end

wrk.method = "POST"
wrk.path = "/v1/chat/completions"
wrk.body = head .. words:sub(1, room) .. tail
wrk.headers["content-type"] = "application/json"
if (os.getenv("CHAT_HOST") or "") ~= "" then
	wrk.headers["Host"] = os.getenv("CHAT_HOST")
end
-- HEADERS: further ones, as "name: value" with a newline behind each
for name, value in (os.getenv("HEADERS") or ""):gmatch("([^:\n]+): ([^\n]*)") do
	wrk.headers[name] = value
end
if os.getenv("TOKEN") then
	wrk.headers["authorization"] = "Bearer " .. os.getenv("TOKEN")
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format("result requests=%d us=%d p50_us=%d p99_us=%d errors=%d\n",
		summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
		e.connect + e.read + e.write + e.status + e.timeout))
end
