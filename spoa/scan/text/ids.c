/* Decodes lists of token ids, which stand for a text. With the vocabulary of the request's
 * model, the list becomes that text again. The text is scanned, and replaces the list if it is
 * changed. */
#include "base/ascii.h"
#include "base/caps.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/tokens/ranks.h"
#include "scan/text/body.h"
#include "scan/text/opaque.h"

/* Reads the next id of a list. *id is RANK_NONE if the element is no id or an unknown one.
 * Returns false after the last element. */
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

/* Returns 1 with *text set to the text that the list spells, 0 if the text cannot be determined
 * or exceeds `most` bytes, or ERR_NOMEM. */
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
		/* Long numbers in the list became segments too; they are no texts of their own. */
		for (size_t k = i + 1; k < b->nsegments && b->segments[k].start < s->end; k++) {
			b->inspected_bytes -= b->segments[k].text.n;
			b->segments[k].text.n = 0;
		}
		err = 0;
	}
	if (err < 0 || !ranks || unread || !b->nids)
		return err < 0 ? err : 0;
	/* body_read() added one part for all lists, as the last one. */
	b->unread.nmedia--;
	b->unread.bytes -= b->ids_bytes;
	b->ids_bytes = 0;
	for (size_t i = 0; i < b->nsegments && !err; i++)
		if (b->segments[i].form == SEG_TOKENS)
			err = opaque_count(
				&b->segments[i], 1, a, &b->unread, &b->inspected_bytes);
	return err;
}
