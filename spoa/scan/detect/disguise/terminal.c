/* Recognizes control sequences of terminals. The search for a sequence is bounded by the length
 * of sequences, the search for a string's end by STRING_MAX and the next mark. */
#include "scan/detect/disguise/terminal.h"

#include "base/ascii.h"
#include "base/bits.h"
#include "base/block.h"
#include "base/utf8.h"
#include "base/effort.h"
#include "scan/detect/disguise/fold.h"

static const struct terminal no_sequence;

/* Returns the end of Jenkins' hidden note: CSI 8m, "ha:", base64. The parameters of its first
 * sequence begin at `at`, and that sequence ends before `from`. The sequence that ends hiding
 * follows the note. Returns 0 if there is no note. */
static size_t
note_end(struct span t, size_t at, size_t from)
{
	enum { NOTE_MAX = 8 << 10 };

	if (from - at != 2 || t.p[at] != '8' ||
		!span_starts(span_cut(t, from, t.n), SPAN_LIT("ha:")))
		return 0;
	size_t i = from + 3, most = i + NOTE_MAX < t.n ? i + NOTE_MAX : t.n;
	while (i < most && (is_alnum(t.p[i]) || is_one_of(t.p[i], "+/=")))
		i++;
	effort_add(i - from);
	return i;
}

struct terminal
terminal_control(struct span t, size_t at)
{
	enum { CONTROL_MAX = 64 };
	size_t i = at, most = at + CONTROL_MAX < t.n ? at + CONTROL_MAX : t.n;

	while (i < most && t.p[i] >= '0' && t.p[i] <= '?')
		i++;
	while (i < most && t.p[i] >= ' ' && t.p[i] <= '/')
		i++;
	if (i == t.n)
		return (struct terminal){ .end = i };
	if (i == most || t.p[i] < '@' || t.p[i] > '~')
		return no_sequence;
	size_t note = t.p[i] == 'm' ? note_end(t, at, i + 1) : 0;
	/* Colors, erasing and modes do not move the cursor. */
	return (struct terminal){ .end = note ? note : i + 1,
		.mark = is_one_of(t.p[i], "mKJhl") ? 0 : TERMINAL_PARTED };
}

/* Reads ESC ( B: intermediate bytes and one more. */
static struct terminal
terminal_selects(struct span t, size_t at)
{
	enum { SELECTS_MAX = 3 };
	size_t i = at;

	while (i < t.n && i - at < SELECTS_MAX && t.p[i] >= ' ' && t.p[i] <= '/')
		i++;
	if (i == t.n)
		return (struct terminal){ .end = i };
	return t.p[i] >= '0' && t.p[i] <= '~' ? (struct terminal){ .end = i + 1 } : no_sequence;
}

struct terminal
terminal_sequence(struct span t, size_t at)
{
	if (at == t.n)
		return (struct terminal){ .end = at };
	char c = t.p[at];
	if (c == '[')
		return terminal_control(t, at + 1);
	if (c >= ' ' && c <= '/')
		return terminal_selects(t, at);
	if (c < '0' || c > '~')
		return no_sequence;
	return (struct terminal){ .end = at + 1,
		.mark = is_one_of(c, "]PX^_")	  ? TERMINAL_STRING
			: is_one_of(c, "\\DEHMc") ? TERMINAL_PARTED
						  : 0 };
}

/* Returns the number of backslashes that end a string, at most `most`. The last one is not
 * counted if it begins an escape of its own. */
static size_t
string_slashes(struct span t, size_t at, size_t most)
{
	size_t n = 0;

	while (n < most && at + n < t.n && t.p[at + n] == '\\')
		n++;
	if (n == 0)
		return 0;
	/* The last backslash begins or continues another sequence. */
	struct unescaped last = unescape(t, at + n - 1);
	bool more = last.n == 1 && is_one_of(last.c[0], "\x1b[](") && is_alnum(t.p[at + n]);
	return more ? n - 1 : n;
}

static bool
is_csi(const struct unescaped *u)
{
	return u->n && u->c[u->n - 1] == '\x9B' && (u->n == 1 || u->c[0] == '\xC2');
}

struct terminal
terminal_spelled(struct span t, size_t at, const struct unescaped *u)
{
	char c = u->end < t.n ? t.p[u->end] : 0;
	size_t n = 0;

	if (is_csi(u) && is_digit(c))
		return terminal_control(t, u->end);
	if (u->n != 1 || u->c[0] != TERMINAL_ESCAPE)
		return no_sequence;
	if (c == '[')
		return terminal_control(t, u->end + 1);
	if (c == ']' || c == '=' || c == '>')
		return (struct terminal){ .end = u->end + 1,
			.mark = c == ']' ? TERMINAL_STRING : 0 };
	while (at + n < u->end && t.p[at + n] == '\\')
		n++;
	n = string_slashes(t, u->end, n ? 2 * n : 1);
	return n ? (struct terminal){ .end = u->end + n, .mark = TERMINAL_PARTED }
		 : no_sequence;
}

/* Returns the length of an escape before `at` as logs, editors and viewers display it; 0 if
 * there is none. */
static size_t
shown_before(struct span t, size_t at)
{
	static const char *const forms[] = { "\\N{ESCAPE}", "\\N{ESC}", "<ESC>", "{ESC}", "ESC",
		"<U+001B>", "<0x1b>", "<1b>", "#033", "0x1b", "\\o{33}", "\\c[", "\\27",
		"\xE2\x90\x9B", "\xE2\x86\x90" };

	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		struct span form = span_str(forms[i]);
		if (at >= form.n && t.p[at - 1] == form.p[form.n - 1] &&
			span_ieq(span_cut(t, at - form.n, at), form))
			return form.n;
	}
	return 0;
}

struct terminal
terminal_bracket(struct span t, size_t at, bool again, size_t *from)
{
	struct terminal s = terminal_control(t, at + 1);
	size_t shown = s.end ? shown_before(t, at) : 0;

	*from = at - shown;
	if (shown || s.end == 0)
		return s;
	char last = t.p[s.end - 1];
	if (last != 'm' && last != 'K')
		return no_sequence;
	for (size_t i = at + 1; i + 1 < s.end; i++)
		if (!is_digit(t.p[i]) && t.p[i] != ';' && t.p[i] != ':')
			return no_sequence;
	return again || (last == 'm' && s.end > at + 2) ? s : no_sequence;
}

static bool
may_begin_sequence(char c)
{
	/* ESC, "[", CSI and the characters that begin a spelled escape: \ & % ^ */
	static const uint64_t set[4] = { UINT64_C(0x0000006008000000),
		UINT64_C(0x0000000058000000), UINT64_C(0x0000000008000000) };

	return set_has(set, c);
}

/* Returns the end of the sequence whose first byte or bracket is at i; 0 if there is none. Sets
 * *from to the first byte of the sequence if that lies before i. */
static size_t
sequence_at(struct span t, size_t i, size_t *from)
{
	char c = t.p[i];

	if (c == TERMINAL_ESCAPE)
		return terminal_sequence(t, i + 1).end;
	if (c == '[')
		return terminal_bracket(t, i, false, from).end;
	if (c == '\x9B')
		return i == 0 || t.p[i - 1] == '\xC2' || !is_high(t.p[i - 1])
			       ? terminal_control(t, i + 1).end
			       : 0;
	struct unescaped u = unescape(t, i);
	if (is_csi(&u))
		return terminal_control(t, u.end).end;
	return u.n == 1 && u.c[0] == TERMINAL_ESCAPE ? terminal_sequence(t, u.end).end : 0;
}

uint64_t
terminal_cut_bits(struct span text, size_t base)
{
	/* The longest sequence before a position, and the longest name of an escape before its
	 * bracket. */
	enum { BEFORE = 48, AFTER = 12 };
	struct span t = span_cut(text, 0, base + BLOCK + 2 * BEFORE);
	uint64_t bits = 0;

	for (size_t i = base > BEFORE ? base - BEFORE : 0; i < t.n && i < base + BLOCK + AFTER;
		i++) {
		size_t from = i, end = may_begin_sequence(t.p[i]) ? sequence_at(t, i, &from) : 0;
		end = end < i + BEFORE + 1 ? end : i + BEFORE + 1;
		if (end > base && end > from + 1)
			bits |= bits_below(end - base) &
				~bits_below(from + 1 > base ? from + 1 - base : 0);
	}
	effort_add(BEFORE + BLOCK + AFTER);
	return bits;
}

char
terminal_c1(uint32_t cp)
{
	switch (cp) {
	case 0x90:
	case 0x98:
	case 0x9D:
	case 0x9E:
	case 0x9F: return TERMINAL_STRING;
	case 0x9C: return TERMINAL_PARTED;
	default: return 0;
	}
}

size_t
terminal_string(struct span t, size_t at)
{
	enum { STRING_MAX = 2 << 10 };
	size_t most = at + STRING_MAX < t.n ? at + STRING_MAX : t.n, end = 0, i = at + 1;

	for (; i < most && !end; i++) {
		char c = t.p[i], next = i + 1 < t.n ? t.p[i + 1] : 0;
		if (c == TERMINAL_PARTED || c == TERMINAL_BELL)
			end = i + 1;
		else if (c == TERMINAL_STRING || c == '\n')
			break;
		else if ((c == '\\' && (next == 'a' || next == '7')) ||
			 (c == '^' && next == 'G') || (c == TERMINAL_ESCAPE && next == '\\'))
			end = i + 2;
	}
	effort_add(i - at);
	return i == t.n && !end ? i : end;
}

bool
terminal_drops_before(struct span t, size_t at)
{
	size_t from = utf8_before(t.p, at), n;
	bool valid;

	if (!is_high(t.p[from]))
		return false;
	enum fold_kind k = fold_char(fold_decode(t.p + from, t.n - from, &n, &valid)).kind;
	return k == FOLD_DROP || k == FOLD_BIDI;
}
