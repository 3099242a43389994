/* The files inside a request: their kinds, their texts, and the reasons why some could not be
 * inspected (docs/media.md).
 *
 * Three steps handle them. `files` decodes the files and reads their kinds and metadata.
 * `extract` asks tollgate-extract to read PDF files and pictures. `pages` adds the texts to
 * the segments of the body, as segments of the form SEG_FILE. Files that could not be
 * inspected stay in the list of uninspected media. */
#ifndef GATE_FILES_FILES_H
#define GATE_FILES_FILES_H

#include "gate/request.h"
#include "scan/media/extracted.h"
#include "scan/media/media_file.h"

/* owner: the request, in its arena; at most as many as the body has media. */
struct file {
	struct media media;
	/* "pdf", "text", or the name of a kind of file_kinds; "" if not known */
	const char *kind;
	size_t bytes;	  /* bytes after decoding; 0: the request does not contain the data */
	unsigned pages;	  /* pages of a document that was read; otherwise 0 */
	/* bits: the sources of the texts */
	enum { FILE_METADATA = 1, FILE_TEXT = 2, FILE_OCR = 4, FILE_SPEECH = 8 } read;
	/* a constant word: why the file was not read completely; NULL: it was */
	const char *why;
	unsigned why_page;	      /* the page that `why` is about; 0: the whole file */
	/* the texts found; text i is the segment first + i of the body */
	struct extracted_text *texts;
	size_t ntexts, room;
	uint32_t first;
	size_t nmetadata; /* the first of the texts are metadata */
	struct speech *speech; /* of a sound whose length can be read; NULL: none */
	bool stripped;
	bool written; /* its redacted transcript replaces it */
	bool passes; /* it counts as inspected, although `why` is set */
	/* the data without metadata, in place of the data; with.p NULL: they are not replaced */
	struct splice bare;
	uint64_t us; /* µs until tollgate-extract or the transcriber responded */
	/* used by the step extract, in the arena of scan.files. `wanted`: to be asked about;
	 * `asked`: the response has arrived */
	struct span decoded;
	struct span answer;
	bool wanted, picture, document, ocr, asked;
	bool macros; /* the document has macros */
	struct request *request;
};

/* While tollgate-extract and transcribers are asked: the arena of decoded bytes and responses. */
struct files_job;
struct arena *files_arena(struct files_job *j);
/* Adds a text to the file, as a copy. Returns 0 or ERR_NOMEM. */
int file_keep_text(struct request *r, struct file *f, unsigned page, struct span text);

enum step_result step_files(struct request *r);
enum step_result step_extract(struct request *r);
enum step_result step_pages(struct request *r);

/* Returns true if the body has files for tollgate-extract, so that the request waits for the
 * relay. */
bool request_files_wait(const struct request *r);
/* Cancels the step extract and frees its memory. */
void request_drop_files(struct request *r);

/* The place of a finding in its file. */
struct file_place {
	unsigned page;	/* on which the finding begins; 0: on no page */
	bool uncertain; /* the value was corrected, because OCR may have misread it */
	bool spoken;	/* it is in a transcript, */
	uint64_t ms;	/* at this time of the sound */
	struct span places; /* of the text that the finding is in, see scan/media/extracted.h, */
	size_t offset;	    /* and its offset there */
};
/* Appends the place of a finding in an Office document: "sheet Payroll, B17". Appends nothing if
 * there is none. A place that contains a finding is replaced by the finding's name. */
void file_place_put(const struct request *r, const struct file_place *at, struct buf *out);
/* Returns the file in whose text the finding is and sets *at, or returns NULL. */
struct file *request_file_of(
	const struct request *r, const struct hit *h, struct file_place *at);
/* Marks the files that the verdict removes: those with redacted findings, and those that were
 * not inspected. A picture whose findings are in its metadata loses the metadata alone. Returns
 * false if a file cannot be replaced; *why is this file. */
bool request_strip_files(struct request *r, const struct overlay *o, const struct file **why);
/* Returns true if the finding is in the metadata of this file. */
bool request_hit_metadata(const struct request *r, const struct file *f, const struct hit *h);
/* Returns the file in whose text or data the finding is, or NULL. */
struct file *request_file_hit(const struct request *r, const struct hit *h);
/* Returns true if a file is marked for removal, or its metadata are. */
bool request_stripped(const struct request *r);
/* Appends the edits that replace each marked file by a text, or by itself without metadata.
 * Edits and files inside a removed file are dropped. `v` needs room for nfiles more edits; *n is their number. Returns 0 or
 * ERR_NOMEM. */
int request_cut_files(struct request *r, struct splice *v, size_t *n);

/* Returns the text of a denial about content that could not be inspected. */
struct span request_unread_files(struct request *r);
#endif
