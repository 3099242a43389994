/* The texts of a document that is not a PDF, while it is read. The readers of each format write to
 * it. The result is a row of frames (extract/extract.h). */
#ifndef EXTRACT_DOCUMENT_H
#define EXTRACT_DOCUMENT_H

#include "base/buf.h"
#include "extract/extract.h"

enum {
	/* bytes that all parts of a document may have when decompressed */
	DOCUMENT_BYTES = 160 << 20,
	DOCUMENT_NEST = 256,	   /* elements, groups or tags inside each other */
	DOCUMENT_DEPTH = 2,	   /* archives, or documents, inside each other */
	DOCUMENT_PLACE = 80,	   /* bytes of a name in a place; longer ones are cut */
	DOCUMENT_PLACES = 4 << 20, /* bytes of all places */
};

/* A text and the places of its parts, as the gate gets them (scan/media/extracted.h). */
struct passage {
	struct buf text, places;
	size_t marked; /* offset in text of the last place */
	size_t last;   /* offset in places of its words */
};

struct document {
	struct buf out; /* frames: FRAME_PLACES and FRAME_TEXT, FRAME_LINK, FRAME_KIND */
	enum extract_error error; /* the first one; the reading ends with it */
	uint64_t unread;	  /* bits 1u << enum extract_unread, of the document */
	enum extract_kind kind;
	bool macros;
	bool text_seen, picture_seen; /* the document has text; it has pictures */
	size_t left;		      /* bytes that may still be decompressed */
	size_t text_bytes, place_bytes;
	struct buf people;  /* lines "ID<tab>NAME": authors of comments that other parts name */
	unsigned depth;	    /* archives and documents that this one is in */
	const char *inside; /* in front of each place: the names of these files; "" if none */
};

/* Reads a document whose first bytes decide its kind: zip with Office documents, gzip, RTF,
 * HTML. Fills *d for any bytes; the caller calls document_free(). No I/O. */
void document_read(struct span file, struct document *d);
void document_free(struct document *d);
/* Reads a file inside of the document: another document, or a text. `name`: in places. Returns
 * false if it is none of them; it was then not read. */
bool document_inner(struct document *d, struct span name, struct span file);

/* Sets the error unless one is set. */
void document_fail(struct document *d, enum extract_error error);
/* A part was not read. */
void document_unread(struct document *d, enum extract_unread why);
/* An address that the document refers to. It is text too. */
void document_link(struct document *d, struct span url);

/* Sets the place of the following text of the passage: "paragraph 12". Control characters become
 * spaces. */
__attribute__((format(printf, 2, 3))) void passage_place(
	struct passage *p, const char *format, ...);
/* Appends UTF-8 text. Fails the document if all texts are too large. */
void passage_put(struct document *d, struct passage *p, struct span text);
void passage_line(struct document *d, struct passage *p, struct span text);
/* Writes the passage as frames, if it has text, and empties it. */
void passage_end(struct document *d, struct passage *p);
void passage_free(struct passage *p);
#define SCOPED_PASSAGE(name) __attribute__((cleanup(passage_free))) struct passage name = { 0 }
/* One text with one place, "" for none. */
void document_text(struct document *d, const char *place, struct span text);
/* Copies a name for a place: cut to DOCUMENT_PLACE bytes, a NUL at its end.
 * Control characters become spaces. */
const char *place_name(struct span name, char to[DOCUMENT_PLACE]);

/* ---- the readers ---- */

void office_read(struct document *d, struct span file); /* extract/office.c: any zip */
void rtf_read(struct document *d, struct span file);	/* extract/rtf.c */
void html_read(struct document *d, struct span file);	/* extract/html.c */
/* extract/vba.c: the source of the macros in a file vbaProject.bin. Returns false if it cannot
 * be read. */
bool vba_read(struct document *d, struct span file);

#endif
