/* Bounds of tollgate-extract, and the frames with which a caged job answers the server.
 * scan/media/extracted.h has the words of the result. */
#ifndef EXTRACT_EXTRACT_H
#define EXTRACT_EXTRACT_H

#include <stdbool.h>
#include <stdint.h>

#include "scan/media/extracted.h"

#define X(name, word) EXTRACT_##name,
enum extract_error { EXTRACT_READ, EXTRACT_ERRORS(X) EXTRACT_ERRORS_N };
enum extract_unread { EXTRACT_UNREAD(X) EXTRACT_UNREAD_N };
enum extract_kind { EXTRACT_NO_KIND, EXTRACT_KINDS(X) EXTRACT_KINDS_N };
#undef X
/* words by number; [EXTRACT_READ] is "read" */
extern const char *const extract_error_words[EXTRACT_ERRORS_N];
extern const char *const extract_unread_words[EXTRACT_UNREAD_N];
extern const char *const extract_kind_words[EXTRACT_KINDS_N];

enum {
	EXTRACT_PAGES = 1000,	 /* pages of a file */
	EXTRACT_OCR_PAGES = 10,	 /* pages of a file that OCR reads */
	EXTRACT_LOOKED_AT = 100, /* pages without text that are checked for being empty */
	EXTRACT_OCR_JOBS = 2,	 /* files under OCR at the same time */
	EXTRACT_LANES = 4,	 /* pages of such a file that are read at the same time */
	EXTRACT_JOBS_MOST = 8,	 /* other files at the same time */
	EXTRACT_WAITING = 256,	 /* files that wait for their turn */
	/* how long the asking side waits, from the arrival of a file's head, unless its field
	 * EXTRACT_DEADLINE_FIELD states another time; that time at most */
	EXTRACT_DEADLINE_MS = 10000,
	EXTRACT_DEADLINE_MOST_MS = 300000,
	/* a file is given up so long before that, or a tenth of the time before */
	EXTRACT_REPLY_MS = 1000,
	/* a file is not begun if less than this is left, or a quarter of the time */
	EXTRACT_BEGIN_MS = 2500,
	EXTRACT_TERM_MS = 2000,	       /* time for running files after SIGTERM */
	EXTRACT_HEAD_BYTES = 16 << 10, /* head of a request */
	EXTRACT_BODY_BYTES = 64 << 20, /* body of a request: a file */
	EXTRACT_TEXT_BYTES = 4 << 20,  /* all texts of a file */
	EXTRACT_FILES = 32,		   /* PDFs that are attached to a file */
	EXTRACT_SCAN_BYTES = 80 << 20,	   /* texts of objects, attached PDFs, the copy of a file */
	/* bytes of frames and separators, in addition to the texts */
	EXTRACT_SLACK_BYTES = 128 << 10,
	EXTRACT_ADDRESS_SPACE = 512 << 20, /* address space of a tool */
	EXTRACT_CPU_S = 5,		   /* processor time of a tool */
	EXTRACT_OCR_CPU_S = 10,		   /* processor time of tesseract */
	EXTRACT_PIXELS = 40000000,	   /* pixels of a picture */
};

/* A job writes frames to its pipe; the last one is FRAME_END. The server trusts none of them,
 * because a caged parser of a hostile file may write here. */
enum frame_kind {
	FRAME_TEXT = 1,
	FRAME_UNREAD,
	FRAME_PAGES,
	FRAME_OCR,
	FRAME_END,
	FRAME_CAGE,
	/* from the scan of a PDF to process 1 of the cage only: an attached PDF, and a copy of the
	 * document that shows hidden parts (page 1) or only letters without a name (page 0) */
	FRAME_FILE,
	FRAME_SHOWN,
	/* of an Office document: the places of the next text; an address; the kind, with `page` 1
	 * if it has macros */
	FRAME_PLACES,
	FRAME_LINK,
	FRAME_KIND,
};

/* Header of a frame. Text follows FRAME_TEXT, FRAME_PLACES, FRAME_LINK and FRAME_CAGE, a PDF FRAME_FILE and FRAME_SHOWN. */
struct frame {
	uint32_t kind;
	uint32_t page;
	/* text frames: bytes that follow; reasons and the end: number of a word; otherwise a
	 * number of pages */
	uint32_t n;
};

/* The order of a job. */
struct extract_order {
	bool picture;  /* a picture, not a PDF */
	bool document; /* an Office document, an archive, RTF or HTML */
	bool ocr;
	unsigned lanes; /* pages that OCR reads at the same time, 1 to EXTRACT_LANES */
	unsigned budget_ms; /* time until the job is killed */
};

#endif
