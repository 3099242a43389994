/* What tollgate-extract is made of: its caps, and how a caged job answers the server. What it
 * answers, and its words, are scan/media/extracted.h's. */
#ifndef EXTRACT_EXTRACT_H
#define EXTRACT_EXTRACT_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/media/extracted.h"

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
