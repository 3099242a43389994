/* Builds views and maps their bytes back to the original. The replacement of an edit is normally
 * no longer than the text it replaces, so a view does not outgrow its source. If a view's room
 * is exhausted, the search ends with ERR_LIMIT. */
#include "scan/detect/disguise/view.h"

#include "base/ascii.h"
#include "base/effort.h"
#include "base/err.h"
#include "base/utf8.h"

static uint32_t
view_place(const struct editor *ed, size_t at)
{
	return ed->over ? ed->over->map[at] : (uint32_t)(at - ed->out->origin);
}

size_t
view_origin(const struct editor *ed, size_t at)
{
	return ed->over ? ed->over->origin + (ed->over->map[at] & MAP_OFFSET) : at;
}

static void
view_put(struct editor *ed, char c, uint32_t map)
{
	struct view *v = ed->out;

	if (v->n == v->room) {
		ed->err = ERR_LIMIT;
		return;
	}
	v->text[v->n] = c;
	v->map[v->n] = map | ed->dropped;
	ed->dropped = 0;
	v->n++;
}

static void
view_copy(struct editor *ed, size_t to)
{
	struct view *v = ed->out;
	size_t n = to - ed->copied;

	if (n > v->room - v->n) {
		ed->err = ERR_LIMIT;
		return;
	}
	effort_add(n / 4);
	/* most edits are close together */
	while (n && (ed->dropped || n < 8)) {
		view_put(ed, ed->src.p[ed->copied], view_place(ed, ed->copied));
		ed->copied++;
		n--;
	}
	if (!n)
		return;
	memcpy(v->text + v->n, ed->src.p + ed->copied, n);
	uint32_t *map = v->map + v->n, first = (uint32_t)(ed->copied - v->origin);
	if (ed->over)
		memcpy(map, ed->over->map + ed->copied, n * sizeof(*map));
	for (size_t i = 0; !ed->over && i < n; i++)
		map[i] = first + (uint32_t)i;
	v->n += n;
	ed->copied = to;
}

/* Spaces, and characters that occur neither in keys and tokens nor in URLs (RFC 3986). */
/* clang-format off */
static const bool ends_word[256] = {
	[0 ... ' '] = 1, ['"'] = 1, ['<'] = 1, ['>'] = 1, ['\\'] = 1, ['^'] = 1, ['`'] = 1,
	['{' ... '}'] = 1,
};
/* clang-format on */

static bool
in_word(char c)
{
	return !ends_word[(unsigned char)c];
}

/* If a word extends beyond the margin, its quote and its key precede it. */
enum { BEFORE_WORD = 64, AFTER_WORD = 16 };

size_t
view_before(struct span t, size_t at)
{
	size_t margin = at > VIEW_MARGIN ? at - VIEW_MARGIN : 0, from = margin;

	for (size_t i = 0; i < VIEW_WORD && from > 0 && in_word(t.p[from - 1]); i++)
		from--;
	effort_add(margin - from);
	if (from < margin)
		from -= from < BEFORE_WORD ? from : BEFORE_WORD;
	return utf8_begin(t, from);
}

size_t
view_after(struct span t, size_t at, size_t bytes)
{
	size_t to = at + bytes, end = at + VIEW_TAIL;

	if (end > t.n)
		end = t.n;
	while (to < end && in_word(t.p[to]))
		to++;
	if (to > at + bytes) {
		effort_add(to - at - bytes);
		to += AFTER_WORD;
	}
	return utf8_begin(t, to < end ? to : end);
}

static void
open_region(struct editor *ed, size_t at)
{
	size_t from = ed->whole ? 0 : view_before(ed->src, at);

	ed->region = ed->copied = from;
	ed->out->most = ed->out->n > ed->out->most ? ed->out->n : ed->out->most;
	ed->out->n = 0;
	ed->out->origin = ed->over ? ed->over->origin : from;
	ed->out->starts = from == 0 && (!ed->over || ed->over->starts);
	ed->dropped = 0;
	ed->open = true;
}

/* Returns the end of the region: the margin after the last edit, or more after the header of a
 * key. */
static size_t
region_end(const struct editor *ed)
{
	struct span made = span_of(ed->out->text, ed->out->n);

	if (ed->whole)
		return ed->src.n;
	bool key = memmem(made.p, made.n, "-----BEGIN ", 11);
	return view_after(ed->src, ed->last, key ? VIEW_TAIL : VIEW_MARGIN);
}

/* Returns true if a view for the edit at `at` would begin after the end of the open one. Long
 * words extend far; text that both views would contain is read once. */
static bool
is_apart(const struct editor *ed, size_t at)
{
	return at > ed->last + 2 * VIEW_MARGIN &&
	       view_before(ed->src, at) >= view_after(ed->src, ed->last, VIEW_MARGIN);
}

int
view_close(struct editor *ed)
{
	if (!ed->open)
		return ed->err;
	size_t to = region_end(ed);
	if (to - ed->copied > ed->out->room - ed->out->n)
		to = ed->copied + ed->out->room - ed->out->n;
	view_copy(ed, to);
	ed->out->map[ed->out->n] = view_place(ed, to) | ed->dropped;
	ed->out->ends = to == ed->src.n && (!ed->over || ed->over->ends);
	ed->open = false;
	if (!ed->err)
		ed->err = effort_over() ? effort_err() : ed->done(ed);
	return ed->err;
}

/* Records the view's bytes from `from` on as part of an edit. */
static void
note_part(struct editor *ed, size_t from)
{
	size_t n = ed->nparts;

	if (n == 0 || (from > ed->part[n - 1].to + 2 * VIEW_MARGIN && n < VIEW_PARTS)) {
		ed->nparts++;
		ed->part[n++].from = from;
	}
	ed->part[n - 1].to = ed->out->n;
}

void
view_edit(struct editor *ed, size_t from, size_t to, const char *with, size_t n, unsigned flags)
{
	uint32_t kept = 0;

	effort_add(8 + to - from + n);
	if (effort_over())
		ed->err = effort_err();
	if (ed->err || (ed->open && from < ed->copied))
		return;
	if (ed->open && !ed->whole &&
		(is_apart(ed, from) || to - ed->region + VIEW_TAIL > ed->out->room))
		view_close(ed);
	if (!ed->open)
		open_region(ed, from);
	view_copy(ed, from);
	size_t made = ed->out->n;
	if (ed->over)
		for (size_t i = from; i < to; i++)
			kept |= ed->over->map[i] & ~MAP_OFFSET;
	if (n == 0)
		ed->dropped |= MAP_DROPPED(flags | map_dropped(kept) | map_made(kept));
	for (size_t i = 0; i < n; i++)
		view_put(ed, with[i],
			(view_place(ed, from) &
				(MAP_OFFSET | (i ? 0 : MAP_DROPPED(EDIT_ALL)))) |
				MAP_MADE(flags | map_made(kept)));
	if (ed->whole)
		note_part(ed, made);
	ed->copied = ed->last = to;
	ed->edits++;
}

unsigned
view_back(const struct view *v, size_t *start, size_t *end)
{
	uint32_t made = 0, dropped = 0;
	size_t s = *start, e = *end;

	effort_add(16 + (e - s) / 4);
	for (size_t i = s; i < e; i++) {
		made |= v->map[i];
		dropped |= i > s ? v->map[i] : 0;
	}
	bool last_made = map_made(v->map[e - 1]) != 0;
	/* Marks above the last character and invisible characters after it are part of the
	 * value. */
	unsigned hidden = map_dropped(v->map[e]);
	last_made |= hidden && !(hidden & (EDIT_GUESS | EDIT_APART));
	*start = v->origin + (v->map[s] & MAP_OFFSET);
	*end = v->origin +
	       (last_made ? v->map[e] & MAP_OFFSET : (v->map[e - 1] & MAP_OFFSET) + 1);
	return map_made(made) | map_dropped(dropped);
}

/* ---- joints between values ---- */

/* Returns true if [from, to) is one word of letters: "ERROR", "Done", "here". A piece of a token
 * mixes capitals and small letters, or has digits. */
static bool
is_colored_word(struct span t, size_t from, size_t to)
{
	enum { WORD_LEAST = 4, WORD_MOST = 24 };
	size_t lower = 0;

	if (to - from < WORD_LEAST || to - from > WORD_MOST)
		return false;
	for (size_t i = from; i < to; i++) {
		if (!is_alpha(t.p[i]))
			return false;
		lower += t.p[i] >= 'a';
	}
	return lower == 0 || lower == to - from || (lower == to - from - 1 && t.p[from] < 'a');
}

/* Returns true if a character above U+009F begins at `at`: a zero-width character, not a control
 * character. */
static bool
is_unseen(struct span t, size_t at)
{
	return is_high(t.p[at]) && t.p[at] != '\x9B' &&
	       !(t.p[at] == '\xC2' && at + 1 < t.n && (unsigned char)t.p[at + 1] < 0xA0);
}

bool
view_side_by_side(const struct editor *ed, struct span t, const struct finding *f,
	const struct finding *v, size_t n)
{
	const struct view_part *joint = ed->joint;
	size_t joints = ed->joints;
	size_t at = f->start, k = 0;
	bool any = false, unseen = false;

	while (k < joints && joint[k].from <= f->start)
		k++;
	if (k == joints || joint[k].from >= f->end)
		return false;
	for (size_t end; at < f->end; at = k < joints ? joint[k++].to : f->end) {
		bool whole = false;
		end = k < joints && joint[k].from < f->end ? joint[k].from : f->end;
		for (size_t i = 0; i < n && !whole; i++)
			whole = v[i].start <= at && v[i].end >= end &&
				(v[i].start > f->start || v[i].end < f->end);
		effort_add(n + 8);
		if (!whole && (unseen || !is_colored_word(t, at, end)))
			return false;
		any |= whole;
		unseen |= k < joints && is_unseen(t, joint[k].from);
	}
	return any;
}
