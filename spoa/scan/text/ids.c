/* Lists of ids of tokens, which stand for a text: by the vocabulary of the request's model they
 * are that text again. It is scanned, and sent in place of the list where it is changed. */
#include "base/ascii.h"
#include "base/caps.h"
#include "base/codec/utf8.h"
#include "base/err.h"
#include "base/tokens/ranks.h"
#include "scan/text/body.h"
#include "scan/text/opaque.h"

/* The next id of a list's inside; RANK_NONE: it is none, or unknown. False: none is left. */
static bool
next_id(struct span *rest, const struct ranks *ranks, uint32_t *id)
{
	struct span item = span_trim(span_next(rest, ','), " \t\r\n");
	uint64_t n;

	if (!item.p)
		return false;
	*id = span_u64(item, &n) == 0 && n < ranks->head->tokens ? (uint32_t)n : RANK_NONE;
	return true;
}

/* 1: *text is what the list spells; 0: nobody knows; ERR_NOMEM. */
static int
ids_to_text(struct span list, const struct ranks *ranks, size_t most, struct arena *a,
	struct span *text)
{
	struct span inside = span_cut(list, 1, list.n - 1), rest = inside;
	size_t n = 0;
	uint32_t id;

	while (rest.p && next_id(&rest, ranks, &id)) {
		if (id == RANK_NONE)
			return 0;
		n += ranks_token(ranks, id).n;
		if (n > most)
			return 0;
	}
	char *p = arena_array(a, n ? n : 1, 1);
	if (!p)
		return ERR_NOMEM;
	*text = span_of(p, n);
	for (rest = inside; rest.p && next_id(&rest, ranks, &id);) {
		struct span token = ranks_token(ranks, id);
		memcpy(p, token.p, token.n);
		p += token.n;
	}
	return utf8_valid(*text);
}

int
body_decode_ids(struct body *b, struct span raw, const struct ranks *ranks, struct arena *a)
{
	size_t left = CAP_BODY_BYTES, unread = 0;
	int err = 0;

	for (size_t i = 0; ranks && i < b->nsegments && err >= 0; i++) {
		struct segment *s = &b->segments[i];
		struct span text;
		if (s->form != SEG_TOKENS)
			continue;
		err = ids_to_text(span_cut(raw, s->start, s->end), ranks, left, a, &text);
		if (err <= 0) {
			unread++;
			continue;
		}
		left -= text.n;
		s->text = text;
		b->inspected_bytes += text.n;
		/* long numbers of the list are no texts of their own */
		for (size_t k = i + 1; k < b->nsegments && b->segments[k].start < s->end; k++) {
			b->inspected_bytes -= b->segments[k].text.n;
			b->segments[k].text.n = 0;
		}
		err = 0;
	}
	if (err < 0 || !ranks || unread || !b->nids)
		return err < 0 ? err : 0;
	/* body_read() counted all of them last */
	b->unread.nmedia--;
	b->unread.bytes -= b->ids_bytes;
	b->ids_bytes = 0;
	for (size_t i = 0; i < b->nsegments && !err; i++)
		if (b->segments[i].form == SEG_TOKENS)
			err = opaque_count(
				&b->segments[i], 1, a, &b->unread, &b->inspected_bytes);
	return err;
}
