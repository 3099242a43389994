/* The result of tollgate-extract (spoa/extract) for one file, as JSON. A file that was read:
 *   {"pages":3,"texts":[{"page":1,"text":"…"}],"read":"text"|"ocr",
 *    "unread":[{"page":2,"why":"no_text"}]}
 * Page 0 stands for the document. A file that was not read: {"error":"damaged"}. Any thread.
 * An Office document has a kind, no pages, and texts with places:
 *   {"kind":"xlsx","macros":true,"links":["https://…"],"pages":0,"texts":[{"page":0,
 *    "text":"…","places":"sheet Payroll, \n0 A1\n7 B1\n"}],…}
 * Each line of "places" but the first is the bytes since the place before, a space and the place,
 * which goes behind the first line. A place applies up to the next one.
 * prose: ok unread */
#ifndef SCAN_MEDIA_EXTRACTED_H
#define SCAN_MEDIA_EXTRACTED_H

#include "base/arena.h"

/* clang-format off */
/* Values of "error": why the file could not be read at all. */
#define EXTRACT_ERRORS(X) \
	X(ENCRYPTED,      "encrypted")      /* protected by a password that is not empty */ \
	X(DAMAGED,        "damaged")        /* its structure is inconsistent */ \
	X(TOO_MANY_PAGES, "too_many_pages") /* over 1,000 */ \
	X(TOO_LARGE,      "too_large")      /* a text, or decompressed data, exceeds its limit */ \
	X(TIMEOUT,        "timeout")        /* wall clock or processor time */ \
	X(MEMORY,         "memory")         /* beyond 512 MB */ \
	X(KILLED,         "killed")         /* crashed, or a forbidden system call */ \
	X(NO_TOOL,        "no_tool")        /* pdftotext or tesseract is not installed */ \
	X(BUSY,           "busy")           /* the queue is full, or the file waited too long */ \
	X(UNSUPPORTED,    "unsupported")    /* a kind of file that is not supported */ \
	X(ZIP_MISMATCH,   "zip_mismatch")   /* a zip whose directory differs from its entries */ \
	X(OVERLAP,        "overlapping_entries") /* a zip whose entries share bytes */ \
	X(TWICE,          "two_entries")    /* a zip with two entries of one name */ \
	X(OUTSIDE,        "outside")        /* a path or relationship that leaves the archive */ \
	X(BOMB,           "bomb")           /* over 160 MB, and 100 times the compressed size */ \
	X(DOCTYPE,        "doctype")        /* XML with a document type declaration */ \
	X(ENCODING,       "encoding")       /* XML in an encoding that is not supported */ \
	X(NESTED,         "nested")         /* elements, groups or archives too deep inside each other */ \
	X(OLD_OFFICE,     "old_office")     /* an OLE file: .doc, .xls, .ppt, .msg, or encrypted */

/* Values of the list of pages that were not read completely (prose: ok unread): parts of a file
 * that are in none of its texts. */
#define EXTRACT_UNREAD(X) \
	X(NO_TEXT,     "no_text")     /* a page with graphics and without text */ \
	X(LATE,        "timeout")     /* a page that OCR did not read in time */ \
	X(ANNOTATIONS, "annotations") /* sound, 3D */ \
	X(FORMS,       "forms")       /* values in an unsupported encoding */ \
	X(ATTACHMENTS, "attachments") /* files in the file, neither text nor PDF */ \
	X(LAYERS,      "layers")      /* optional content that could not be shown */ \
	X(FONTS,       "fonts")       /* a font without a mapping to characters */ \
	X(METADATA,    "metadata")    /* XMP in an unsupported encoding */ \
	X(ERRORS,      "errors")      /* the tool continued after errors; text may be missing */ \
	X(DATA_MODEL,  "data_model")  /* the data model of a workbook */ \
	X(MACROS,      "macros")      /* macros whose source could not be read */ \
	X(PARTS,       "parts")       /* a part of an Office document of an unknown kind */

/* Values of "kind". Templates, and documents with macros, have the kind of their document. */
#define EXTRACT_KINDS(X) \
	X(DOCX, "docx") X(XLSX, "xlsx") X(PPTX, "pptx") X(ODT, "odt") X(ODS, "ods") \
	X(ODF, "odf") /* other OpenDocument */ X(RTF, "rtf") X(HTML, "html") X(ZIP, "zip") \
	X(GZIP, "gzip")
/* clang-format on */
/* Added to the number of a page if the text is not that of the page, but the end of the page, a line
 * feed, and the beginning of the next page: for a value that is broken between them. */
enum { EXTRACT_BORDER = 1 << 15 };

/* Field of a request to tollgate-extract: the milliseconds that the daemon waits. */
#define EXTRACT_DEADLINE_FIELD "tollgate-deadline-ms"

/* One text of a file. page 0: the text belongs to no page. */
struct extracted_text {
	unsigned page;
	struct span text;
	struct span places; /* see above; empty: none */
	bool uncertain; /* values that OCR may have written otherwise, as the gate corrects them */
};

/* A result. extracted_read() fills it; the texts live as long as the answer and the arena. */
struct extracted {
	unsigned pages;
	bool ocr; /* the texts come from text recognition (OCR) */
	const char *kind; /* of an Office document or an archive, a constant word; NULL: none */
	bool macros;
	struct span *links; /* addresses that the document refers to */
	size_t nlinks;
	/* page of `why`; 0: the document */
	struct extracted_text *texts;
	size_t ntexts;
	/* the first part that could not be inspected, a constant word; NULL: everything was */
	const char *why;
	unsigned why_page;
};

/* Parses a result. The texts are views of `answer`, or in the arena. Returns 0, ERR_NOMEM, or
 * ERR_SYNTAX if `answer` is not a valid result. */
int extracted_read(struct span answer, struct arena *a, struct extracted *out);
/* Finds the place of an offset in a text. *head is the first line of the places, and *place what
 * goes behind it. Both are views. Returns false if the places have none, or are wrong. */
bool extracted_place(struct span places, size_t at, struct span *head, struct span *place);

#endif
