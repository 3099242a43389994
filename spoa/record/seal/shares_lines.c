/* Lines of a file of shares, written and read. */
#include <sodium.h>

#include "base/among.h"
#include "base/clock.h"
#include "base/codec/base64.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/why.h"
#include "record/seal/shares_private.h"

enum { CHECK_DIGITS = 8 };

static void
line_check(struct span s, char out[CHECK_DIGITS + 1])
{
	unsigned char hash[SHA256_BYTES];

	sha256(s, hash);
	sodium_bin2hex(out, CHECK_DIGITS + 1, hash, CHECK_DIGITS / 2);
}

/* ---- written ---- */

/* What was appended since `from` becomes a line. */
static void
end_line(struct buf *b, size_t from)
{
	char check[CHECK_DIGITS + 1];

	if (buf_failed(b))
		return;
	line_check(span_cut(buf_view(b), from, b->n), check);
	buf_printf(b, " %s\n", check);
}

void
share_line(struct buf *b, const struct share_entry *e)
{
	size_t from = b->n;

	buf_printf(b, "share %llu ", (unsigned long long)e->number);
	buf_hex(b, e->key, sizeof(e->key));
	buf_putc(b, ' ');
	base64_put(b, e->holder, e->n);
	end_line(b, from);
	/* An erasure overwrites so many bytes. */
	INVARIANT(buf_failed(b) || b->n - from == share_line_bytes(e));
}

size_t
share_line_secret(uint64_t number)
{
	char digits[SPAN_DECIMAL];

	return sizeof("share ") - 1 + span_decimal(digits, (int64_t)number) + 1;
}

size_t
share_line_bytes(const struct share_entry *e)
{
	return share_line_secret(e->number) + 2 * SHARE_BYTES + 1 + ((size_t)e->n + 2) / 3 * 4 +
	       1 + CHECK_DIGITS + 1;
}

void
share_erased_line(struct buf *b, const struct erased_share *e)
{
	char at[CLOCK_SECOND_LEN];
	size_t from = b->n;

	clock_second(e->at_ns, at);
	buf_printf(b, "%s %llu %s", e->pseudonym[0] ? "erasing" : "erased",
		(unsigned long long)e->number, at);
	if (e->pseudonym[0])
		buf_printf(b, " %s", e->pseudonym);
	end_line(b, from);
}

void
shares_erasing(struct buf *b, const struct shares *s)
{
	for (size_t i = 0; i < s->nerased; i++)
		if (s->erased[i].pseudonym[0])
			share_erased_line(b, &s->erased[i]);
}

void
share_erasure_line(struct buf *b, const struct erasure *e)
{
	size_t from = b->n;

	if (e->serial) {
		buf_printf(b, "erasure %s %lld", e->name, (long long)e->serial);
		end_line(b, from);
	}
	from = b->n;
	if (e->forgotten) {
		buf_printf(b, "forgotten %s %lld", e->name, (long long)e->forgotten);
		end_line(b, from);
	}
}

void
share_first_line(struct buf *b, const struct shares *s, bool head)
{
	size_t from = b->n;

	buf_printf(b, "%s %s", head ? SHARES_HEAD_FIRST : SHARES_FILE_FIRST, s->node);
	end_line(b, from);
}

void
shares_notes(struct buf *b, const struct shares *s, bool head)
{
	size_t from;

	for (size_t i = 0; !head && i < s->nlost; i++) {
		from = b->n;
		buf_printf(b, "lost %llu %llu", (unsigned long long)s->lost[i].from,
			(unsigned long long)s->lost[i].to);
		end_line(b, from);
	}
	for (size_t i = 0; i < s->nerased; i++)
		share_erased_line(b, &s->erased[i]);
	for (size_t i = 0; i < s->nerasures; i++)
		share_erasure_line(b, &s->erasure[i]);
	if (head && s->seen) {
		from = b->n;
		buf_printf(b, "journal %llu", (unsigned long long)s->seen);
		end_line(b, from);
	}
	if (head) { /* the last one: without it something is missing */
		from = b->n;
		buf_printf(b, "given %llu", (unsigned long long)s->written);
		end_line(b, from);
	}
}

/* ---- read ---- */

static int
read_number(struct span word, uint64_t *out)
{
	return span_u64(word, out) || *out == 0 || *out > SHARE_NUMBER_MAX ? ERR_SYNTAX : 0;
}

static int
read_erased(struct shares *s, struct span rest, bool erasing)
{
	struct erased_share e = { .number = 0 };
	struct span number = span_next(&rest, ' '), at = span_next(&rest, ' ');

	if (read_number(number, &e.number) || clock_parse(at.p, at.n, &e.at_ns) ||
		rest.n != (erasing ? PSEUDONYM_LEN : 0))
		return ERR_SYNTAX;
	if (erasing)
		memcpy(e.pseudonym, rest.p, PSEUDONYM_LEN);
	if (erasing &&
		(!span_starts(rest, SPAN_LIT("p_")) ||
			strspn(e.pseudonym + 2, "0123456789abcdef") != PSEUDONYM_LEN - 2))
		return ERR_SYNTAX;
	return shares_note_erased(s, &e) ? 0 : ERR_NOMEM;
}

static int
read_lost(struct shares *s, struct span rest)
{
	struct span word = span_next(&rest, ' ');
	uint64_t from, to;

	if (read_number(word, &from) || read_number(rest, &to) || from > to)
		return ERR_SYNTAX;
	return shares_note_lost(s, from, to) ? 0 : ERR_NOMEM;
}

static int
read_erasure(struct shares *s, struct span rest, bool forgotten)
{
	struct span name = span_next(&rest, ' ');
	uint64_t serial;

	if (name.n == 0 || name.n > ERASURE_NAME_MAX || memchr(name.p, '\0', name.n) ||
		span_u64(rest, &serial) || serial > INT64_MAX)
		return ERR_SYNTAX;
	return shares_note_erasure(s, name, forgotten ? 0 : (int64_t)serial,
		       forgotten ? (int64_t)serial : 0)
		       ? 0
		       : ERR_NOMEM;
}

static int
read_share_words(struct shares *s, uint64_t number, struct span rest, uint64_t at)
{
	struct span hex = span_next(&rest, ' ');
	unsigned char key[SHARE_BYTES];
	char holder[SHARE_HOLDER_MAX];
	size_t n = 0;
	int err =
		!sha256_read(hex, key) || base64_get(rest, holder, sizeof(holder), &n) || n == 0
			? ERR_SYNTAX
			: shares_add(s, number, key, span_of(holder, n), at);

	explicit_bzero(key, sizeof(key));
	return err == ERR_DUPLICATE ? ERR_SYNTAX : err;
}

/* False: its last word is not what it should be. */
static bool
cut_check(struct span *line)
{
	char check[CHECK_DIGITS + 1];

	if (line->n < CHECK_DIGITS + 2 || line->p[line->n - CHECK_DIGITS - 1] != ' ')
		return false;
	struct span said = span_cut(*line, line->n - CHECK_DIGITS, line->n);
	*line = span_cut(*line, 0, line->n - CHECK_DIGITS - 1);
	line_check(*line, check);
	return span_is(said, check);
}

static int
read_first(const struct shares *s, struct span line, bool head, struct buf *why)
{
	struct span word = span_next(&line, ' ');

	if (!span_is(word, head ? SHARES_HEAD_FIRST : SHARES_FILE_FIRST))
		return why_err(why, ERR_SYNTAX, "%s: line 1: not a file of %s",
			head ? s->head : s->file,
			head ? "how many shares were given" : "shares");
	if (!span_is(line, s->node))
		return why_err(why, ERR_SYNTAX, "%s: line 1: it is of node %.*s, not of %s",
			head ? s->head : s->file, SPAN_ARG(line), s->node);
	return 0;
}

static int
read_seen(struct shares *s, struct span rest)
{
	uint64_t seq;

	if (span_u64(rest, &seq))
		return ERR_SYNTAX;
	atomic_store(&s->seen, seq);
	return 0;
}

/* What is no share. */
static int
read_note_line(struct shares *s, struct span line, bool head)
{
	struct span word = span_next(&line, ' ');

	return span_is(word, "erased")		? read_erased(s, line, false)
	       : span_is(word, "erasing")	? read_erased(s, line, true)
	       : !head && span_is(word, "lost") ? read_lost(s, line)
	       : span_is(word, "erasure")	? read_erasure(s, line, false)
	       : span_is(word, "forgotten")	? read_erasure(s, line, true)
	       : head && span_is(word, "journal") ? read_seen(s, line)
	       : head && span_is(word, "given") && !span_u64(line, &s->head_given) &&
			       s->head_given <= SHARE_NUMBER_MAX
		       ? 0
		       : ERR_SYNTAX;
}

/* True if an erasure has overwritten all that is secret in the line of a share. */
static bool
is_crossed_out(struct span secret)
{
	return span_past_set(secret, 0, "x") == secret.n;
}

/* Reads the line of a share, after all lines that say what is erased. What is left of an erased
 * share, because a kill or a power cut interrupted the erasure, is noted in `gone`. */
static int
read_share_line(struct shares *s, struct span line, uint64_t at)
{
	struct span rest = span_cut(line, sizeof("share ") - 1, line.n);
	uint64_t number;

	if (read_number(span_next(&rest, ' '), &number))
		return ERR_SYNTAX;
	if (shares_is_erased(s, number)) {
		size_t secret = share_line_secret(number);
		if (is_crossed_out(span_cut(line, secret, line.n)))
			return 0;
		if (!mem_room(&s->gone, &s->gone_room, s->ngone + 1, sizeof(*s->gone)))
			return ERR_NOMEM;
		s->gone[s->ngone++] = (struct share_bytes){ at + secret, line.n - secret };
		s->notes_due = true; /* the head alone may know that it is erased */
		return 0;
	}
	if (!cut_check(&line) || shares_is_lost(s, number))
		return ERR_SYNTAX;
	rest = span_cut(line, share_line_secret(number), line.n);
	return read_share_words(s, number, rest, at);
}

static int
parse_share_file_line(
	struct shares *s, struct span line, uint64_t n, uint64_t at, bool head, struct buf *why)
{
	bool share = span_starts(line, SPAN_LIT("share "));
	int err = share && !head && n > 1 ? read_share_line(s, line, at)
		  : !cut_check(&line)	  ? ERR_SYNTAX
		  : n > 1		  ? read_note_line(s, line, head)
					  : 0;

	if (n == 1 && !err)
		return read_first(s, line, head, why);
	if (err)
		buf_printf(why, "%s: line %llu %s", head ? s->head : s->file,
			(unsigned long long)n, err == ERR_SYNTAX ? "is damaged" : err_str(err));
	return err;
}

int
shares_parse(struct shares *s, struct span text, bool head, size_t *good, struct buf *why)
{
	int err = 0;

	*good = 0;
	/* What is no share first: a share's line may be half overwritten. */
	for (int shares = 0; !err && shares < 2; shares++) {
		struct span rest = text;
		for (uint64_t n = 1; !err && span_chr(rest, '\n') < rest.n; n++) {
			uint64_t at = (uint64_t)(rest.p - text.p);
			struct span line = span_next(&rest, '\n');
			if ((shares == 1) == span_starts(line, SPAN_LIT("share ")))
				err = parse_share_file_line(s, line, n, at, head, why);
		}
		*good = text.n - rest.n;
	}
	if (!err && *good == 0)
		err = why_err(
			why, ERR_SYNTAX, "%s: line 1 is damaged", head ? s->head : s->file);
	return err;
}
