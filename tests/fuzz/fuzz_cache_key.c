/* Any bytes as a request's body, after a byte that selects its form. The request has a key or a
 * reason for none. If it has a near key, the body is JSON, the exact key is a different one,
 * and spaces between tokens do not change the near key. */
#include <stdlib.h>
#include <string.h>

#include "base/codec/json.h"
#include "base/err.h"
#include "gate/cache/near.h"
#include "support/courtesy_shipped.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned char secret[CACHE_KEY_BYTES] = "a secret";
static const enum form forms[] = { FORM_CHAT, FORM_RESPONSES, FORM_MESSAGES, FORM_GENERATE,
	FORM_CONVERSE };

static bool
is_json(struct span s)
{
	struct json_event ev;
	struct arena a;

	arena_init(&a, 0, false);
	struct json *j = json_open(&a, s);
	enum json_tok t = json_next(j, &ev);
	while (t != JSON_END && t != JSON_ERROR)
		t = json_next(j, &ev);
	arena_reset(&a);
	return t == JSON_END;
}

/* Writes the body with spaces around each token. */
static void
put_wide(struct span s, struct buf *b)
{
	struct json_event ev;
	struct arena a;
	size_t from = 0;

	arena_init(&a, 0, false);
	struct json *j = json_open(&a, s);
	for (;;) {
		enum json_tok t = json_next(j, &ev);
		bool quoted = t == JSON_KEY || t == JSON_STRING;
		if (t == JSON_END || t == JSON_ERROR)
			break;
		buf_span(b, span_cut(s, from, ev.start - quoted));
		buf_str(b, " \n");
		buf_span(b, span_cut(s, ev.start - quoted, ev.end + quoted));
		buf_str(b, "\t ");
		from = ev.end + quoted;
	}
	buf_span(b, span_cut(s, from, s.n));
	arena_reset(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct courtesy *courtesy = shipped_courtesy();
	unsigned char exact[CACHE_KEY_BYTES], near[CACHE_KEY_BYTES], other[CACHE_KEY_BYTES];
	struct buf prompt, wide;

	if (size < 1)
		return 0;
	const struct span rest[] = { SPAN_LIT("p@1"), SPAN_LIT("alice") };
	struct cache_ask ask = { .form = forms[data[0] % COUNT_OF(forms)],
		.body = span_of(data + 1, size - 1),
		.rest = rest,
		.nrest = COUNT_OF(rest),
		.warmest = 2 };
	buf_init(&prompt, 0);
	buf_init(&wide, 0);
	static const char *const names[] = { "id", NULL };
	struct span id;
	cache_member_values(ask.body, names, &id);
	INVARIANT(!id.n || (id.p > ask.body.p && id.p + id.n < ask.body.p + ask.body.n));
	const char *why = cache_key(&ask, secret, exact);
	const char *why_near = cache_near_key(&ask, courtesy, secret, &prompt, near);
	INVARIANT(!why_near == (prompt.n > 0));
	if (!why_near) {
		INVARIANT(!why && is_json(ask.body) && memcmp(exact, near, sizeof(near)));
		INVARIANT(near_similarity(buf_view(&prompt), buf_view(&prompt)) >= 0);
	}
	if (!why && is_json(ask.body)) {
		put_wide(ask.body, &wide);
		ask.body = buf_view(&wide);
		/* an input that must be one value is none with spaces in it: [ ] */
		bool keyed = !cache_key(&ask, secret, other);
		INVARIANT(!keyed || !memcmp(exact, other, sizeof(other)));
		if (keyed && !why_near && ask.body.n <= NEAR_BODY_MOST) {
			INVARIANT(!cache_near_key(&ask, courtesy, secret, &prompt, other));
			INVARIANT(!memcmp(near, other, sizeof(other)));
		}
	}
	buf_free(&prompt);
	buf_free(&wide);
	return 0;
}
