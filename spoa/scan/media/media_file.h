/* A file inside a request, already decoded to bytes. The magic number determines its kind. The
 * functions here also report whether the kind differs from the declared type, flaws that hide
 * content from inspection, and the texts of metadata. Pure functions, without I/O; any
 * thread. */
#ifndef SCAN_MEDIA_MEDIA_FILE_H
#define SCAN_MEDIA_MEDIA_FILE_H

#include "base/arena.h"

/* clang-format off */
/* Kinds: constant, name for records, general kind. */
#define FILE_KIND_TABLE(X) \
	X(FILE_OTHER,   "other",   "file") /* no known magic number */ \
	X(FILE_PDF,     "pdf",     "file") \
	X(FILE_RTF,     "rtf",     "file") \
	X(FILE_PS,      "ps",      "file") \
	X(FILE_PNG,     "png",     "image") \
	X(FILE_JPEG,    "jpeg",    "image") \
	X(FILE_GIF,     "gif",     "image") \
	X(FILE_WEBP,    "webp",    "image") \
	X(FILE_TIFF,    "tiff",    "image") \
	X(FILE_BMP,     "bmp",     "image") \
	X(FILE_ICO,     "ico",     "image") \
	X(FILE_PSD,     "psd",     "image") \
	X(FILE_HEIC,    "heic",    "image") \
	X(FILE_AVIF,    "avif",    "image") \
	X(FILE_ZIP,     "zip",     "file") /* newer Office documents too */ \
	X(FILE_OLE,     "ole",     "file") /* older Office documents, and encrypted newer ones */ \
	X(FILE_GZIP,    "gzip",    "file") \
	X(FILE_ZLIB,    "zlib",    "file") \
	X(FILE_BZIP2,   "bzip2",   "file") \
	X(FILE_XZ,      "xz",      "file") \
	X(FILE_ZSTD,    "zstd",    "file") \
	X(FILE_7Z,      "7z",      "file") \
	X(FILE_RAR,     "rar",     "file") \
	X(FILE_ELF,     "elf",     "file") \
	X(FILE_SQLITE,  "sqlite",  "file") \
	X(FILE_WOFF,    "woff",    "file") \
	X(FILE_WASM,    "wasm",    "file") \
	X(FILE_WAV,     "wav",     "audio") \
	X(FILE_MP3,     "mp3",     "audio") \
	X(FILE_AAC,     "aac",     "audio") \
	X(FILE_OGG,     "ogg",     "audio") \
	X(FILE_FLAC,    "flac",    "audio") \
	X(FILE_M4A,     "m4a",     "audio") \
	X(FILE_AIFF,    "aiff",    "audio") \
	X(FILE_MP4,     "mp4",     "video") /* QuickTime and 3GP too */ \
	X(FILE_AVI,     "avi",     "video") \
	X(FILE_WEBM,    "webm",    "video") /* also other Matroska files */

/* Flaws: constant and name for records. The first flaw found is kept. */
#define FILE_FLAW_TABLE(X) \
	X(FILE_SOUND,           "sound") \
	X(FILE_TWO_KINDS,       "two_kinds")       /* another file's magic number is in the file */ \
	X(FILE_NOT_AS_DECLARED, "not_as_declared") /* the kind differs from the declared type */ \
	X(FILE_TRAILING,        "trailing")        /* unknown bytes after the end of the file */ \
	X(FILE_TRUNCATED,       "truncated") \
	X(FILE_TOO_MANY_POINTS, "too_many_points") /* more pixels than CAP_MEDIA_POINTS */ \
	X(FILE_ANIMATED,        "animated")        /* only the first image can be inspected */ \
	X(FILE_BOMB,            "bomb")            /* exceeds a CAP_MEDIA_* of texts or parts */ \
	X(FILE_ENCRYPTED,       "encrypted") \
	X(FILE_DAMAGED,         "damaged")         /* invalid structure or metadata */
/* clang-format on */

#define FILE_MEMBER(name, ...) name,
enum file_magic { FILE_KIND_TABLE(FILE_MEMBER) FILE_KINDS };
enum file_flaw { FILE_FLAW_TABLE(FILE_MEMBER) FILE_FLAWS };
#undef FILE_MEMBER

extern const struct file_kind {
	const char *name;  /* "pdf", "png", …, for records */
	const char *media; /* "image", "audio", "video" or "file" */
} file_kinds[];
/* Names of flaws for records, by enum file_flaw: "two_kinds", … */
extern const char *const file_flaws[];

/* Returns the kind by the first bytes. An ID3 tag in front is skipped, and a few spaces before
 * PDF and RTF. */
enum file_magic file_kind_of(struct span bytes);
/* Return true for the kinds that tollgate-extract reads besides PDF: pictures, by OCR; and, without a tool,
 * Office documents, archives and RTF. */
bool file_is_picture(enum file_magic k);
bool file_is_document(enum file_magic k);
/* Returns true for PDF, RTF and PostScript: files that can be all ASCII but whose visible text
 * is encoded. A PDF may begin within the first kilobyte. `whole`: `bytes` is the complete file;
 * such a PDF must also contain an object, so that a text that only mentions "%PDF-1.7" does not
 * count. */
bool file_is_coded(struct span bytes, bool whole);
/* Returns the general kind ("image", …) of the decoded beginning of a base64 or hexadecimal run
 * in a text. Only magic numbers of at least `least` bytes count, and none that needs the whole
 * file. NULL: none. */
const char *file_magic_media(struct span bytes, size_t least);

/* The result of file_read(). */
struct file_facts {
	enum file_magic kind;
	enum file_flaw flaw;	/* the first flaw that prevents inspection; FILE_SOUND: none */
	uint32_t width, height; /* pixels, if an image's header has them; else 0 */
	/* how a JPEG is turned before it is shown (EXIF 4.6.5, tag 274), 1 to 8; 0: not stated */
	unsigned orientation;
	struct span *texts;	/* UTF-8; views of the bytes or in the arena */
	size_t ntexts;
};

/* Reads a whole file. `declared`: a media type (parameters allowed), a dialect's word for a
 * format ("png", "mp3"), or empty. An unknown type fits every file of its general kind. `texts`
 * are the texts of metadata; if there is a flaw, those found before it. A text with a name
 * begins with the name ("Comment: …"). *out is always set. Returns 0 or ERR_NOMEM. */
int file_read(struct span bytes, struct span declared, struct arena *a, struct file_facts *out);

/* Copies a picture without its metadata to the arena. A JPEG keeps its orientation and color
 * profile, a PNG its transparency and colors. *out is empty for other kinds, for a file with a
 * flaw, and if the copy would still have texts. Returns 0 or ERR_NOMEM. */
int file_bare(struct span bytes, struct arena *a, struct span *out);
/* Decodes a file without a magic number as text: UTF-8, UTF-16 with a byte order mark, or
 * Windows-1252 if few bytes are non-ASCII. *text is UTF-8, a view of `bytes` or in the arena.
 * Empty bytes are a text. *is: false if the bytes are not a text. Returns 0 or ERR_NOMEM. */
int file_text(struct span bytes, struct arena *a, struct span *text, bool *is);
/* Renders markup (SVG, HTML) whose words are split by inline tags: tags like <b> and <tspan>
 * are removed, every other tag becomes a line break. "pass<b>word</b>" becomes "password". *out
 * is empty if no tag splits a word. Returns 0 or ERR_NOMEM. */
int file_text_shown(struct span text, struct arena *a, struct span *out);

#endif
