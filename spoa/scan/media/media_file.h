/* A file inside a request, by its bytes: what it is by its magic number, whether it is what it
 * says it is, and the texts of its metadata. Pure functions over bytes, without I/O; any
 * thread. */
#ifndef SCAN_MEDIA_MEDIA_FILE_H
#define SCAN_MEDIA_MEDIA_FILE_H

#include "base/arena.h"

/* clang-format off */
#define FILE_KIND_TABLE(X) \
	X(FILE_OTHER,   "other",   "file") /* no magic number that is known */ \
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
	X(FILE_ZIP,     "zip",     "file") /* Office's newer documents, too */ \
	X(FILE_OLE,     "ole",     "file") /* Office's older ones, and locked newer ones */ \
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
	X(FILE_MP4,     "mp4",     "video") /* QuickTime and 3GP, too */ \
	X(FILE_AVI,     "avi",     "video") \
	X(FILE_WEBM,    "webm",    "video") /* and other Matroska */

#define FILE_FLAW_TABLE(X) \
	X(FILE_SOUND,           "sound") \
	X(FILE_TWO_KINDS,       "two_kinds")       /* another file's magic number is in it */ \
	X(FILE_NOT_AS_DECLARED, "not_as_declared") /* the bytes are not of the declared type */ \
	X(FILE_TRAILING,        "trailing")        /* bytes after its end that are no known file */ \
	X(FILE_TRUNCATED,       "truncated") \
	X(FILE_TOO_MANY_POINTS, "too_many_points") /* CAP_MEDIA_POINTS */ \
	X(FILE_ANIMATED,        "animated")        /* pictures after the first one, which alone is read */ \
	X(FILE_BOMB,            "bomb")            /* CAP_MEDIA_TEXTS, CAP_MEDIA_TEXT_BYTES, CAP_MEDIA_PARTS */ \
	X(FILE_ENCRYPTED,       "encrypted") \
	X(FILE_DAMAGED,         "damaged")         /* its structure or metadata cannot be read */
/* clang-format on */

#define FILE_MEMBER(name, ...) name,
enum file_magic { FILE_KIND_TABLE(FILE_MEMBER) FILE_KINDS };
enum file_flaw { FILE_FLAW_TABLE(FILE_MEMBER) FILE_FLAWS };
#undef FILE_MEMBER

extern const struct file_kind {
	const char *name;  /* "pdf", "png", …, for records */
	const char *media; /* "image", "audio", "video" or "file" */
} file_kinds[];
/* "two_kinds", …, for records. */
extern const char *const file_flaws[];

/* By first bytes alone; a tag before them (ID3) is passed over, and a few blanks before PDF and
 * RTF. */
enum file_magic file_kind_of(struct span bytes);
/* Of a kind that may be all ASCII and is no text for that: what it shows is written otherwise.
 * A PDF may begin in the first kilobyte; `whole`: the bytes are all there is, so that it has
 * an object, too, and is not one that a text speaks of. */
bool file_is_coded(struct span bytes, bool whole);
/* The general kind of bytes that begin a run of text's digits: by magic numbers of `least`
 * bytes or more, without those that only a whole file tells. NULL: none. */
const char *file_magic_media(struct span bytes, size_t least);

struct file_facts {
	enum file_magic kind;
	enum file_flaw flaw;	/* the first thing that makes it unreadable, whoever reads it */
	uint32_t width, height; /* of pictures whose header says it; else 0 */
	struct span *texts;	/* UTF-8, in the arena or views of the bytes */
	size_t ntexts;
};

/* Reads a whole file. `declared`: a media type (parameters allowed), a dialect's bare word for
 * a format ("png", "mp3"), or empty; one that is not known fits anything of its general kind.
 * `texts` are what metadata say, as far as they were read where there is a flaw; strings that
 * have a name begin with it ("Comment: …"). *out is set in any case. 0 or ERR_NOMEM. */
int file_read(struct span bytes, struct span declared, struct arena *a, struct file_facts *out);

/* The text that bytes of no known kind are, as UTF-8: UTF-8; UTF-16 with its mark; or, of few
 * bytes that are not ASCII, Windows-1252. *text is a view of the bytes or in the arena; empty
 * bytes are a text. *is: false where they are none. 0 or ERR_NOMEM. */
int file_text(struct span bytes, struct arena *a, struct span *text, bool *is);
/* A text that is markup (SVG, HTML) as it is shown where tags like <b> and <tspan> are within
 * words: without those, other tags a line's end. *out is empty where there are none. 0 or
 * ERR_NOMEM. */
int file_text_shown(struct span text, struct arena *a, struct span *out);

#endif
