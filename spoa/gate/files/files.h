/* The files inside a request: what they are, what they say, and what nobody read of them.
 * docs/media.md. Three steps: `files` decodes them and reads kinds and metadata, `extract` has
 * tollgate-extract read PDF files and pictures, `pages` makes their texts segments of the body,
 * of form SEG_FILE. What nobody read is left in in.unread. */
#ifndef GATE_FILES_FILES_H
#define GATE_FILES_FILES_H

#include "gate/request.h"
#include "scan/media/extracted.h"
#include "scan/media/media_file.h"

struct file {
	struct media media;
	const char *kind; /* "pdf", "text", or as of media.kind */
	size_t bytes;	  /* decoded; 0: nobody knows where they are */
	unsigned pages;	  /* of a document that was read; else 0 */
	/* bits: of what there are texts */
	enum { FILE_METADATA = 1, FILE_TEXT = 2, FILE_OCR = 4 } read;
	const char *why;	      /* it is not read to its end, a fixed word; NULL: it is */
	unsigned why_page;	      /* 0: the file */
	struct extracted_text *texts; /* that it says; segments of the body from `first` on */
	size_t ntexts, room;
	uint32_t first;
	bool stripped;
	uint64_t us; /* until tollgate-extract answered */
	/* asked: while and after tollgate-extract is asked; in scan.files */
	struct span decoded;
	struct span answer;
	bool wanted, picture, ocr, asked;
	struct request *request;
};

/* Words of file.why that are neither flaws (scan/media) nor the extractor's. */
extern const char file_no_extractor[], file_not_asked[], file_no_reader[], file_too_many[];

enum step_result step_files(struct request *r);
enum step_result step_extract(struct request *r);
enum step_result step_pages(struct request *r);

/* Whether the body holds what tollgate-extract reads, and so waits for the relay. */
bool request_files_wait(const struct request *r);
void request_drop_files(struct request *r);

/* The file that said the text; NULL: none did. *page: of it. */
struct file *request_file_of(const struct request *r, const struct segment *s, unsigned *page);
/* The same, or the file whose data the segment of the body is. */
struct file *request_file_with(const struct request *r, const struct segment *s);
/* Marks those that go by the verdict: files in which something is redacted, and those that
 * nobody read. False: one cannot be replaced, and *why is it. */
bool request_strip_files(struct request *r, const struct overlay *o, const struct file **why);
/* The file that what was found is in: in a text of it, or in its data; NULL: in none. */
struct file *request_file_hit(const struct request *r, const struct hit *h);
/* Whether the verdict takes out all that nobody could read. */
bool request_files_go(const struct request *r);
bool request_stripped(const struct request *r);
/* The edits that put a text in place of each that goes; edits within one are dropped, and files
 * within one. At most nfiles more; *n: how many they are. 0 or ERR_NOMEM. */
int request_cut_files(struct request *r, struct splice *v, size_t *n);

/* What a denial says of what nobody could read. */
struct span request_unread_files(struct request *r);
#endif
