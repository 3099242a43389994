/* Lines of tables and their fields: the frames of lines, each with its kind of separator or its
 * places of columns, the names in a header's line, and rulers. A line is without its end and
 * without spaces at the end. */
#ifndef SCAN_DETECT_CONTEXT_FIELDS_H
#define SCAN_DETECT_CONTEXT_FIELDS_H

#include "base/span.h"

/* Frames of lines; fields_order[] has the order in which they are tried. */
enum fields_frame {
	FRAME_TAB,
	FRAME_PIPE,
	FRAME_BOX,
	FRAME_LATEX,
	FRAME_SEMICOLON,
	FRAME_COMMA,
	FRAME_GAP,     /* at least two spaces */
	FRAME_RULED,   /* the columns have the places of a ruler's parts */
	FRAME_INDEXED, /* rows begin with their number, under the spaces before the names */
	COLUMN_FRAMES,
	COLUMN_CUTS = FRAME_RULED, /* frames with separators */
};
/* The first frame that has a header counts. */
extern const uint8_t fields_order[COLUMN_FRAMES];

enum {
	COLUMN_LINE = 2048, /* bytes; a longer line is no row */
	COLUMN_FIELDS = 64, /* a line with more fields is no row */
	COLUMN_NAME = 48,   /* bytes of a header's field, at most */
};

/* Returns true for the space characters in a line. */
static inline bool
is_line_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* A field of a line, as offsets. */
struct field_place {
	uint16_t from, to;
};

/* The separators of a line, by frame; 0: the line has none of the kind. `plain`: the line has
 * neither a quote nor a backslash, so the number of fields follows from the number of
 * separators. */
struct fields_parts {
	unsigned n[COLUMN_CUTS];
	bool plain;
};

struct fields_parts fields_parts(struct span line);

/* Splits a line into fields. `header`: the header of the table, for frames whose columns have
 * places; the ruler follows it after a line feed in FRAME_RULED. Empty: the line is a header
 * itself. `part`: more of the line may follow. Fills v[COLUMN_FIELDS] and returns the number of
 * fields, or 0 if the line does not fit, or COLUMN_FIELDS + 1 if they are too many. *index: the
 * number of fields at the beginning that have no name (0 or 1). */
unsigned fields_split(unsigned frame, struct span header, struct span line, bool part,
	struct field_place *v, unsigned *index);
/* Returns the number of fields of a line in a frame with separators. */
unsigned fields_count(unsigned frame, struct span line);

/* Returns the name in the first field of a header, in a frame with separators. */
struct span fields_first(unsigned frame, struct span line);
/* Returns true for the line "COPY t (a, b) FROM stdin;", which is a header with tabs or commas.
 */
bool fields_copy(struct span line);
/* Returns true if the line may be in a table of the frame: a row, a header or a ruler. */
bool fields_is_row(unsigned frame, struct span line);
/* Returns true if a separator of the frame is in the line, or its columns may have places. */
bool fields_has(unsigned frame, struct span line);
/* Returns true if the fields of the line, which may be a header, are names. The first and the
 * last field may be empty. */
bool fields_are_names(unsigned frame, struct span line);
/* Returns true for |---|:--:|, ----+----, =====, a line of a box (U+2500 to U+257F), \hline. */
bool fields_ruler(struct span line);
/* Returns true for a ruler with at least two parts and spaces between them. */
bool fields_column_ruler(struct span line);
/* Returns true if more words than a name has stand before the first separator. Such a line is
 * no header, whatever follows. */
bool fields_prose(struct span line);
/* Splits "name | value" or "name: value", with or without bars around it. Returns false if the
 * line is neither. */
bool fields_pair(struct span line, struct span *name, struct span *cell);

/* Returns the field's text without the quotes, stars and hashes around it. */
struct span without_quotes(struct span s);
/* Returns the name in a header's field: without quotes and without the marks of LaTeX
 * (\textbf{a}) and of Textile (_. a). */
struct span column_name_in(struct span s);
/* Returns true if the field reads like a column's name: short, few words, at most two digits,
 * no sentence. */
bool is_column_name(struct span s);

#endif
