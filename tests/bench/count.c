/* Instructions for each request, for callgrind: one line of tests/bench/count, which runs this
 * program and reads callgrind's output. Plays some requests to warm up, then counts the
 * worker's turns of so many more.
 *
 *   count LINE POLICY RANKS REQUESTS      LINE: a name of `lines` below
 *
 * Without callgrind it prints how much the same requests copy, zero and allocate: the program
 * is linked with --wrap for this. */
#include <limits.h>

#include "bench/count_stage.h"

enum { WARM = 50, EVENTS = 100 };

/* ---- memory ---- */

static uint64_t copied, zeroed, mallocs;

/* clang-format off */
#define WRAPPED(X) \
	X(void *, memcpy,  (void *to, const void *from, size_t n), (to, from, n), copied += n) \
	X(void *, memmove, (void *to, const void *from, size_t n), (to, from, n), copied += n) \
	X(void *, __memcpy_chk,  (void *to, const void *from, size_t n, size_t room), (to, from, n, room), copied += n) \
	X(void *, __memmove_chk, (void *to, const void *from, size_t n, size_t room), (to, from, n, room), copied += n) \
	X(void *, memset,  (void *to, int c, size_t n), (to, c, n), zeroed += n) \
	X(void *, __memset_chk,  (void *to, int c, size_t n, size_t room), (to, c, n, room), zeroed += n) \
	X(void *, malloc,  (size_t n), (n), mallocs++) \
	X(void *, calloc,  (size_t n, size_t size), (n, size), (mallocs++, zeroed += n * size)) \
	X(void *, realloc, (void *p, size_t n), (p, n), mallocs++) \
	X(void, sodium_memzero, (void *p, size_t n), (p, n), zeroed += n) \
	X(void, explicit_bzero, (void *p, size_t n), (p, n), zeroed += n) \
	X(void, __explicit_bzero_chk, (void *p, size_t n, size_t room), (p, n, room), zeroed += n)
/* clang-format on */

#define X(type, name, params, args, counts)                                                    \
	type __real_##name params;                                                             \
	type __wrap_##name params;                                                             \
	type __wrap_##name params                                                              \
	{                                                                                      \
		if (watched)                                                                   \
			(void)(counts);                                                        \
		return __real_##name args;                                                     \
	}
WRAPPED(X)
#undef X

/* ---- requests ---- */

static const char story[] =
	"The harbour master kept two books. In the first he wrote what the ships said they "
	"carried, and in the second what he saw when the hatches were opened. For most of the "
	"year the two agreed, and he was glad of it, because the second book was long work and "
	"his eyes were not what they had been. But in the autumn, when the grain came down the "
	"river and the wine came up the coast, there was always a week in which the books told "
	"different stories. He did not shout about it. He asked the captain to sit down, "
	"poured "
	"some tea, and read both pages aloud, slowly, as if he had never seen either of them "
	"before. Most captains remembered something by the second cup. A barrel had been "
	"counted "
	"twice, a sack had been given to a cousin, a crate had gone over the side in the storm "
	"that everybody on the quay remembered well. ";

/* A chat of about so many bytes. */
static struct buf
chat(size_t bytes, const char *last, bool streams)
{
	struct buf b;

	buf_init(&b, 0);
	buf_str(&b, "{\"model\":\"gpt-4o-mini\",\"temperature\":0.2,\"max_tokens\":300,");
	if (streams)
		buf_str(&b, "\"stream\":true,\"stream_options\":{\"include_usage\":true},");
	buf_str(&b,
		"\"messages\":[{\"role\":\"system\",\"content\":\"You are a careful editor who "
		"answers in plain words.\"},{\"role\":\"user\",\"content\":\"");
	while (b.n < bytes)
		buf_put(&b, story,
			b.n + sizeof(story) < bytes ? sizeof(story) - 1 : bytes - b.n);
	buf_str(&b, last);
	buf_str(&b, "\"}]}");
	return b;
}

/* A tools/call of about so many bytes, and the reply of the server. */
static struct buf
call(size_t bytes, const char *last)
{
	struct buf b;

	buf_init(&b, 0);
	buf_str(&b, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{"
		    "\"name\":\"write_note\",\"arguments\":{\"folder\":12,\"text\":\"");
	while (b.n < bytes)
		buf_put(&b, story,
			b.n + sizeof(story) < bytes ? sizeof(story) - 1 : bytes - b.n);
	buf_str(&b, last);
	buf_str(&b, "\"}}}");
	return b;
}

static struct buf
result(void)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b,
		"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[{\"type\":"
		"\"text\",\"text\":\"%s\"}],\"isError\":false},\"end\":1}",
		story);
	return b;
}

/* A message that adds to a realtime turn, and the provider's reply to it. */
static struct buf
item(size_t bytes, const char *type)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b,
		"{\"type\":\"conversation.item.%s\",\"item\":{\"type\":\"message\",\"role\":"
		"\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"",
		type);
	while (b.n < bytes)
		buf_put(&b, story,
			b.n + sizeof(story) < bytes ? sizeof(story) - 1 : bytes - b.n);
	buf_str(&b, "\"}]},\"end\":1}");
	return b;
}

static struct buf
whole_answer(void)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b,
		"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1790000000,"
		"\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":"
		"{\"role\":\"assistant\",\"content\":\"%s\",\"refusal\":null},\"logprobs\":"
		"null,"
		"\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":420,"
		"\"completion_tokens\":170,\"total_tokens\":590},\"system_fingerprint\":\"fp_"
		"1\","
		"\"end\":1}",
		story);
	return b;
}

/* 100 events: the role, one for each word, a finish, the usage, the end. */
static struct span *
stream_answer(struct buf *b)
{
	static struct span events[EVENTS];
	size_t at[EVENTS + 1];
	struct span words = span_of(story, sizeof(story) - 1);

#define HEAD                                                                                   \
	"data: "                                                                               \
	"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,"  \
	"\"model\":\"gpt-4o-mini-2024-07-18\",\"system_fingerprint\":\"fp_1\",\"choices\":["
	for (size_t i = 0; i < EVENTS; i++) {
		at[i] = b->n;
		if (i == 0)
			buf_str(b, HEAD "{\"index\":0,\"delta\":{\"role\":\"assistant\","
					"\"content\":\"\"},"
					"\"logprobs\":null,\"finish_reason\":null}]}\n\n");
		else if (i == EVENTS - 3)
			buf_str(b, HEAD "{\"index\":0,\"delta\":{},\"logprobs\":null,"
					"\"finish_reason\":\"stop\"}]}\n\n");
		else if (i == EVENTS - 2)
			buf_str(b, HEAD
				"],\"usage\":{\"prompt_tokens\":420,\"completion_tokens\":96,"
				"\"total_tokens\":516}}\n\n");
		else if (i == EVENTS - 1)
			buf_str(b, "data: [DONE]\n\n");
		else
			buf_printf(b,
				HEAD "{\"index\":0,\"delta\":{\"content\":\"%.*s \"},"
				     "\"logprobs\":null,\"finish_reason\":null}]}\n\n",
				SPAN_ARG(span_next(&words, ' ')));
	}
#undef HEAD
	at[EVENTS] = b->n;
	for (size_t i = 0; i < EVENTS; i++)
		events[i] = span_cut(buf_view(b), at[i], at[i + 1]);
	return events;
}

/* ---- lines ---- */

static const struct line {
	const char *name;
	size_t bytes;
	const char *last; /* the prompt's last words */
	const char *decision;
	bool relayed, streams, calls, tells;
	bool replays; /* the next two need a policy with a cache */
	const char *cache_control;
	bool seals;
	bool socket; /* each request is a message of one WebSocket */
	bool over;   /* a limit admits the first request and refuses the others */
} lines[] = {
	{ "direct", 2048, "Please be short.", "permit", false, false, false, false, false, NULL,
		false, false, false },
	{ "relay", 2048, "Please be short.", "permit", true, false, false, false, false, NULL,
		false, false, false },
	{ "telemetry", 2048, "Please be short.", "permit", true, false, false, true, false,
		NULL, false, false, false },
	{ "stream", 2048, "Please be short.", "permit", true, true, false, false, false, NULL,
		false, false, false },
	{ "long", 200000, "Please be short.", "permit", true, false, false, false, false, NULL,
		false, false, false },
	{ "deny", 2048, "key AKIAQ3EGRIXPFUSLKQLT", "deny", false, false, false, false, false,
		NULL, false, false, false },
	{ "over", 2048, "Please be short.", "deny", false, false, false, false, false, NULL,
		false, false, true },
	{ "hit", 2048, "Please be short.", "permit", true, false, false, false, true, NULL,
		false, false, false },
	{ "miss", 2048, "Please be short.", "permit", true, false, false, false, false,
		"no-cache", false, false, false },
	{ "sealed", 2048, "Please be short.", "permit", true, false, false, false, false, NULL,
		true, false, false },
	{ "tools", 2048, "Please be short.", "defer", true, false, true, false, false, NULL,
		false, false, false },
	{ "socket", 2048, "Please be short.", "permit", true, false, false, false, false, NULL,
		false, true, false },
};

int
main(int argc, char **argv)
{
	static struct count_stage s;
	const struct line *l = lines;
	long requests = argc == 5 ? strtol(argv[4], NULL, 10) : 0;

	while (argc == 5 && l < lines + COUNT_OF(lines) && strcmp(l->name, argv[1]))
		l++;
	if (requests <= 0 || l == lines + COUNT_OF(lines)) {
		fprintf(stderr, "count: usage: count LINE POLICY RANKS REQUESTS\n");
		return 2;
	}
	struct buf body = l->socket  ? item(l->bytes, "create")
			  : l->calls ? call(l->bytes, l->last)
				     : chat(l->bytes, l->last, l->streams);
	struct buf answer = l->socket  ? item(l->bytes, "created")
			    : l->calls ? result()
				       : whole_answer(),
		   events;
	char ends[64];
	snprintf(ends, sizeof(ends), l->calls ? "%s\"}}}" : "%s\"}]}", l->last);
	buf_init(&events, 0);
	struct count_request q = { .path = l->socket  ? "/v1/realtime"
					   : l->calls ? "/mcp"
						      : "/v1/chat/completions",
		.socket = l->socket,
		.body = buf_view(&body),
		.ends = ends,
		.decision = l->decision,
		.relayed = l->relayed,
		.answer = buf_view(&answer),
		.events = stream_answer(&events),
		.nevents = l->streams ? EVENTS : 0,
		.cache_control = l->cache_control,
		.replays = l->replays };
	s.tells = l->tells;
	s.seals = l->seals;
	count_up(&s, argv[2], argv[3]);
	if (l->over) {
		q.decision = "permit";
		count_one(&s, &q);
		q.decision = l->decision;
	}
	for (int i = 0; i < WARM; i++)
		count_one(&s, &q);
	CALLGRIND_START_INSTRUMENTATION;
	s.counting = true;
	for (long i = 0; i < requests; i++)
		count_one(&s, &q);
	s.counting = false;
	CALLGRIND_STOP_INSTRUMENTATION;
	if (!RUNNING_ON_VALGRIND)
		printf("zeroed %llu\nmallocs %llu\ncopied %llu\n",
			(unsigned long long)zeroed / (unsigned long long)requests,
			(unsigned long long)mallocs / (unsigned long long)requests,
			(unsigned long long)copied / (unsigned long long)requests);
	fflush(stdout);
	_exit(0); /* open descriptors end with the process */
}
