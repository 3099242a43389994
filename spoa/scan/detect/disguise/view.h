/* A view is a text as it would read without obfuscation. Each of its bytes is mapped to a byte
 * of the original. An editor walks a source and calls view_edit() for text that reads
 * differently. Text far from any edit is not copied: a view is a region around edits, with
 * context on both sides.
 *
 * Example: "4111&#45;1111" becomes the view "4111-1111"; the byte '-' is mapped to the offset of
 * '&'. */
#ifndef SCAN_DETECT_DISGUISE_VIEW_H
#define SCAN_DETECT_DISGUISE_VIEW_H

#include "scan/detect/rules/finding.h"

/* An entry of the map: the offset in the original, counted from `origin`, and flags. The lower
 * flags apply if the byte replaces other text, the upper flags if text was dropped before the
 * byte. */
#define MAP_OFFSET 0x003FFFFFu
enum {
	EDIT_HIDE = 1,	 /* nobody writes so by accident */
	EDIT_TYPO = 2,	 /* typography, as word processors write it */
	EDIT_GUESS = 4,	 /* a guess: a finding needs more evidence than its shape */
	EDIT_NAMED = 8,	 /* a weak guess: the name of the value must be near */
	EDIT_APART = 16, /* the dropped text is no part of a value before it */
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

/* A view. `text` and `map` belong to the owner of the struct. */
struct view {
	char *text;
	uint32_t *map;	      /* n + 1 entries */
	size_t n, room, most; /* bytes in use, allocated, and the most that were in use since the
			       * text was zeroed */
	size_t origin;	      /* offset in the original that the map's offsets are relative to */
	bool starts, ends;    /* the view begins where the original begins; ends where it ends */
};

/* Bytes of context around an edit, of a long word, after a key's header; and parts per view. */
enum { VIEW_MARGIN = 96, VIEW_WORD = 512, VIEW_TAIL = 1024, VIEW_PARTS = 96 };

/* A range of bytes, end exclusive. */
struct view_part {
	size_t from, to;
};

/* An editor: the state of making views of one source. On the stack of its caller. */
struct editor {
	struct span src;
	const struct view *over; /* the view whose text is `src`; NULL: src is the original */
	struct view *out;
	unsigned pass; /* how often src was edited before */
	bool whole;    /* copy all of src, with or without edits */
	/* called for each finished region; ctx belongs to the caller */
	int (*done)(struct editor *ed);
	void *ctx;
	size_t limit;	  /* no edit begins at or after this offset */
	size_t copied;	  /* bytes of src copied so far */
	size_t last;	  /* end of the last edit in src */
	size_t region;	  /* offset in src where the open region begins */
	uint32_t dropped; /* flags for the next byte */
	bool open;
	/* For a whole copy: the edited ranges of the view, with room for VIEW_PARTS. All but the
	 * last are farther apart than twice the margin. */
	struct view_part *part;
	size_t nparts;
	size_t edits, escapes; /* edits, and how many of them resolved escapes */
	bool sequences;	       /* something was dropped, such as terminal sequences */
	/* Places where dropped text had a word character on both sides, so that dropping it may
	 * join two values; offsets in the original, room for VIEW_PARTS. `apart`: such a place
	 * becomes a tab instead. `joint` NULL: places are not recorded. */
	bool apart;
	struct view_part *joint;
	size_t joints;
	int err;
};

/* Replaces src[from, to) by `with`. Edits must be made in ascending order. */
void view_edit(
	struct editor *ed, size_t from, size_t to, const char *with, size_t n, unsigned flags);
/* Ends the open region, if any, and calls `done`. Returns 0 or an error. */
int view_close(struct editor *ed);

/* Returns the place of the source's byte `at` in the original. */
size_t view_origin(const struct editor *ed, size_t at);

/* The range that is read around an edit: the margin before it and the beginning of the word
 * there, `bytes` bytes after it and the rest of the word. */
size_t view_before(struct span t, size_t at);
size_t view_after(struct span t, size_t at, size_t bytes);

/* Converts [*start, *end) from the view to bytes of the original. Returns the EDIT_ flags
 * inside, or 0 if all bytes are the original's own. */
unsigned view_back(const struct view *v, size_t *start, size_t *end);

/* Returns true if the candidate f, which crosses joints, consists of several values side by
 * side, or of one value and words. t is the original. v[0..n) are the candidates of the reading
 * in which joints are boundaries. Each piece of f between joints must lie in one of those, or be
 * a word. A zero-width character is invisible, so it does not separate words. */
bool view_side_by_side(const struct editor *ed, struct span t, const struct finding *f,
	const struct finding *v, size_t n);

#endif
