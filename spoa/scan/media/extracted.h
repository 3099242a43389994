/* What tollgate-extract (spoa/extract) answers about a file, JSON. Of one that was read:
 *   {"pages":3,"texts":[{"page":1,"text":"…"}],"read":"text"|"ocr","unread":[{"page":2,"why":"no_text"}]}
 * Page 0 is the document. Of one that was not: {"error":"damaged"}. */
#ifndef SCAN_MEDIA_EXTRACTED_H
#define SCAN_MEDIA_EXTRACTED_H

#include "base/arena.h"

/* clang-format off */
/* Why nothing of a file was read: "error". */
#define EXTRACT_ERRORS(X) \
	X(ENCRYPTED,      "encrypted")      /* it has a key, be that an empty one */ \
	X(DAMAGED,        "damaged")        /* what it says of itself is not so */ \
	X(TOO_MANY_PAGES, "too_many_pages") /* over 1,000 */ \
	X(TOO_LARGE,      "too_large")      /* a text, or what is inflated, is over its cap */ \
	X(TIMEOUT,        "timeout")        /* wall or processor time */ \
	X(MEMORY,         "memory")         /* over 512 MB */ \
	X(KILLED,         "killed")         /* it crashed, or did what the cage forbids */ \
	X(NO_TOOL,        "no_tool")        /* pdftotext or tesseract is not installed */ \
	X(BUSY,           "busy")           /* too many wait, or it waited too long */ \
	X(UNSUPPORTED,    "unsupported")    /* of a kind that is not read */

/* What of a file that was read is in none of its texts: "unread". */
#define EXTRACT_UNREAD(X) \
	X(NO_TEXT,     "no_text")     /* a page that shows something and has no text */ \
	X(ANNOTATIONS, "annotations") /* notes, stamps, highlights, media: all but links */ \
	X(FORMS,       "forms")       /* fields, XFA */ \
	X(ATTACHMENTS, "attachments") /* files in the file */ \
	X(LAYERS,      "layers")      /* optional content: a viewer may show what was not read */ \
	X(FONTS,       "fonts")       /* letters of a font that does not say which they are */ \
	X(METADATA,    "metadata")    /* XMP in a coding that is not read */ \
	X(ERRORS,      "errors")      /* the tool went on after errors: text may be missing */
/* clang-format on */
/* A text of a file, and its page; 0: of none. */
struct extracted_text {
	unsigned page;
	struct span text;
};

struct extracted {
	unsigned pages;
	bool ocr; /* pictures were read */
	struct extracted_text *texts;
	size_t ntexts;
	const char *why; /* the first thing that nobody read, a fixed word; NULL: nothing */
	unsigned why_page;
};

/* Texts are views of the answer or in the arena. 0; ERR_SYNTAX: it is no answer, ERR_NOMEM. */
int extracted_read(struct span answer, struct arena *a, struct extracted *out);

#endif
