/* What tollgate-extract is made of: its words, its caps, and how a caged job answers the
 * server.
 *
 * An answer is 200 and JSON. A file that was read:
 *   {"pages":3,"texts":[{"page":1,"text":"…"}],"read":"text"|"ocr","unread":[{"page":2,"why":"no_text"}]}
 * Page 0 is the document. One that was not: {"error":"damaged"}. */
#ifndef EXTRACT_EXTRACT_H
#define EXTRACT_EXTRACT_H

#include <stdbool.h>
#include <stdint.h>

/* clang-format off */
/* Why nothing of a file was read: "error". */
#define EXTRACT_ERRORS(X) \
	X(ENCRYPTED,      "encrypted")      /* it has a key, be that an empty one */ \
	X(DAMAGED,        "damaged")        /* what it says of itself is not so */ \
	X(TOO_MANY_PAGES, "too_many_pages") /* over EXTRACT_PAGES */ \
	X(TOO_LARGE,      "too_large")      /* a text, or what is inflated, is over its cap */ \
	X(TIMEOUT,        "timeout")        /* wall or processor time */ \
	X(MEMORY,         "memory")         /* over EXTRACT_ADDRESS_SPACE */ \
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
	X(METADATA,    "metadata")    /* XMP in a coding that is not read */ \
	X(ERRORS,      "errors")      /* the tool went on after errors: text may be missing */
/* clang-format on */

#define X(name, word) EXTRACT_##name,
enum extract_error { EXTRACT_READ, EXTRACT_ERRORS(X) EXTRACT_ERRORS_N };
enum extract_unread { EXTRACT_UNREAD(X) EXTRACT_UNREAD_N };
#undef X
extern const char *const extract_error_words[EXTRACT_ERRORS_N]; /* [EXTRACT_READ] is "read" */
extern const char *const extract_unread_words[EXTRACT_UNREAD_N];

enum {
	EXTRACT_PAGES = 1000,	    /* pages of a file */
	EXTRACT_OCR_PAGES = 10,	    /* of them read by OCR */
	EXTRACT_LOOKED_AT = 100,    /* pages without text that are looked at: blank or not */
	EXTRACT_OCR_JOBS = 2,	    /* files under OCR at once */
	EXTRACT_JOBS_MOST = 8,	    /* others at once */
	EXTRACT_WAITING = 256,	    /* files that wait for their turn */
	EXTRACT_DEADLINE_MS = 9000, /* of a file from its head on; the daemon waits 10 s */
	EXTRACT_WAIT_MS = 7500, /* of it for its turn: later there is no time left to read it */
	EXTRACT_TERM_MS = 2000, /* what runs at SIGTERM */
	EXTRACT_HEAD_BYTES = 16 << 10, /* of a request */
	EXTRACT_BODY_BYTES = 64 << 20, /* a file */
	EXTRACT_TEXT_BYTES = 4 << 20,  /* all its texts */
	EXTRACT_SLACK_BYTES = 128 << 10,
	EXTRACT_ADDRESS_SPACE = 512 << 20, /* address space of a tool */
	EXTRACT_CPU_S = 5,
	EXTRACT_OCR_CPU_S = 10,
	EXTRACT_PIXELS = 40000000, /* of a picture */
};

/* What a job says over its pipe: frames, the last one an end. The server trusts none of it: a
 * caged parser of a hostile file may write here. */
enum frame_kind { FRAME_TEXT = 1, FRAME_UNREAD, FRAME_PAGES, FRAME_OCR, FRAME_END, FRAME_CAGE };

struct frame {
	uint32_t kind;
	uint32_t page;
	uint32_t n; /* TEXT, CAGE: bytes that follow; UNREAD, END: a word; PAGES: how many */
};

/* What is asked of a job. */
struct extract_order {
	bool picture; /* a picture, not a PDF */
	bool ocr;
	unsigned budget_ms; /* until it is killed */
};

#endif
