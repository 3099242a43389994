/* A view: text as it would read without its disguise, with the way back from each of
 * its bytes to the bytes of the original. An editor walks a source and says what it
 * would read otherwise; text that is far from any edit is not copied, so that a
 * view is a region of its source, with some context on both sides. */
#ifndef SCAN_DETECT_DISGUISE_VIEW_H
#define SCAN_DETECT_DISGUISE_VIEW_H

#include "scan/detect/rules/finding.h"

/* A byte's place in the original, from `origin` on, and how it came about: the low
 * bits for bytes that stand for something else, the high ones for what was dropped
 * before the byte. */
#define MAP_OFFSET 0x003FFFFFu
enum {
	EDIT_HIDE = 1,	 /* nobody writes so without meaning to */
	EDIT_TYPO = 2,	 /* typography does */
	EDIT_GUESS = 4,	 /* a guess: what is found needs more than its shape */
	EDIT_NAMED = 8,	 /* a weak guess: its name must be near */
	EDIT_APART = 16, /* what is dropped after a value is no part of it */
	EDIT_ALL = 31,
};
#define MAP_MADE(flags)	   ((uint32_t)(flags) << 22)
#define MAP_DROPPED(flags) ((uint32_t)(flags) << 27)

static inline unsigned
map_made(uint32_t map)
{
	return map >> 22 & EDIT_ALL;
}

static inline unsigned
map_dropped(uint32_t map)
{
	return map >> 27;
}

struct view {
	char *text;
	uint32_t *map;	      /* n + 1 */
	size_t n, room, most; /* `most`: bytes it had at most, since it was zeroed */
	size_t origin;	      /* in the original, of the offsets */
	bool starts, ends;    /* it begins and ends where the original does */
};

enum { VIEW_MARGIN = 96, VIEW_WORD = 512, VIEW_TAIL = 1024, VIEW_PARTS = 96 };

struct view_part {
	size_t from, to;
};

struct editor {
	struct span src;
	const struct view *over; /* src is this view's text; NULL: the original */
	struct view *out;
	unsigned pass; /* how often src was edited before */
	bool whole;    /* all of src is copied, edits or not */
	/* called with each region made; ctx is its own */
	int (*done)(struct editor *ed);
	void *ctx;
	size_t limit;	  /* no edit begins at or after it */
	size_t copied;	  /* of src */
	size_t last;	  /* end of the last edit */
	size_t region;	  /* where the open region begins */
	uint32_t dropped; /* bits for the next byte */
	bool open;
	/* Of a whole copy: the places edited, further apart than both their margins but for
	 * the last one, in the view; room for VIEW_PARTS. */
	struct view_part *part;
	size_t nparts;
	size_t edits, escapes; /* of the edits, those of escapes */
	bool sequences;	       /* of a terminal are among them */
	/* Where something is dropped between two characters of words: what dropping it may
	 * join. apart: it reads as a tab there. Room for VIEW_PARTS. */
	bool apart;
	struct view_part *joint;
	size_t joints;
	int err;
};

/* src[from, to) reads as `with`; edits come in order. */
void view_edit(
	struct editor *ed, size_t from, size_t to, const char *with, size_t n, unsigned flags);
/* Ends the open region, if any. 0 or what `done` returned. */
int view_close(struct editor *ed);

/* The place of the source's byte `at` in the original. */
size_t view_origin(const struct editor *ed, size_t at);

/* What is read around an edit: the margin before it and the beginning of the word there,
 * so many bytes after it and the rest of the word. */
size_t view_before(struct span t, size_t at);
size_t view_after(struct span t, size_t at, size_t bytes);

/* [*start, *end) of the view in bytes of the original. Returns the EDIT_ flags inside,
 * 0 where the bytes are the original's own. */
unsigned view_back(const struct view *v, size_t *start, size_t *end);

/* Returns true if the candidate f, which goes across joints, is several values side by side, or
 * one value and words: t is the original, v[0..n) are the candidates of the reading in which
 * joints are boundaries, and each piece of f between joints is in one of those or a word. What
 * nobody sees (a zero-width character) parts no words. */
bool view_side_by_side(const struct editor *ed, struct span t, const struct finding *f,
	const struct finding *v, size_t n);

#endif
