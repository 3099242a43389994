/* Cells of a workbook of Office Open XML (ECMA-376 part 1, 18). */
#ifndef EXTRACT_SHEET_H
#define EXTRACT_SHEET_H

#include "extract/document.h"

/* The tables of a workbook to which the cells of all sheets refer. All zero at first; freed by workbook_free(). */
struct workbook {
	struct buf strings; /* texts of the shared strings */
	struct buf ends;    /* uint32_t: the end of each string */
	struct buf formats; /* lines "ID<tab>CODE": number formats of the workbook */
	struct buf styles;  /* uint32_t: the format's number of each cell style */
	bool since_1904;    /* dates count from 1904 */
};

void workbook_strings(struct document *d, struct workbook *w, struct span xml);
void workbook_styles(struct document *d, struct workbook *w, struct span xml);
/* Writes a sheet: rows with cells that are divided by tabs, and then all its other texts. */
void workbook_sheet(struct document *d, struct workbook *w, struct span xml, const char *name);
void workbook_free(struct workbook *w);

/* Appends the number as a format of digits and literals displays it, or a date as ISO 8601.
 * `code`: of the format; `id`: its number if it is built in. Appends nothing for other formats.
 */
void sheet_display(
	const char *number, struct span code, unsigned id, bool since_1904, struct buf *out);

#endif
