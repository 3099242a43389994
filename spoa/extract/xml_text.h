/* XML of Office documents: parts are parsed with expat, and a walk writes all of their text. */
#ifndef EXTRACT_XML_TEXT_H
#define EXTRACT_XML_TEXT_H

#include "extract/document.h"

/* The calls that a reader of XML receives. `name`: without its prefix. `atts`: pairs, ended by NULL; the
 * names have their prefixes. NULL functions are not called. */
struct xml_calls {
	void (*start)(void *arg, const char *name, const char **atts);
	void (*end)(void *arg, const char *name);
	void (*text)(void *arg, struct span text);
	void (*comment)(void *arg, struct span text); /* comments and processing instructions */
};

/* Parses one part. A document type declaration, an encoding that expat does not know, wrong XML
 * and elements nested too deep fail the document. The parsing stops when the document fails. */
void xml_parse(struct document *d, struct span xml, const struct xml_calls *calls, void *arg);
/* Returns the value of an attribute by its name without prefix, or NULL. */
const char *xml_attribute(const char **atts, const char *name);
/* Returns a name without its prefix. */
const char *xml_local(const char *name);
/* Returns the name of the first element, without its prefix, as far as it can be seen without a
 * parser; in UTF-16 too. */
const char *xml_root(struct span xml, char name[32]);

/* Writes all texts of a part: paragraphs, tables by row, attributes that hold text.
 * `where`: the place of the part, such as "slide 3" or "header"; "" for a body.
 * `paragraphs`: places are "paragraph 12". */
void xml_walk(struct document *d, struct span xml, const char *where, bool paragraphs);
/* The same; the content of elements named `element` goes to other calls. */
void xml_walk_with(struct document *d, struct span xml, const char *where, const char *element,
	const struct xml_calls *calls, void *arg);
/* The same for the content of a spreadsheet of OpenDocument, whose places are "sheet A, B17".
 */
void xml_walk_sheets(struct document *d, struct span xml);

/* Writes the name of a cell, "B17", from its column and row, both from 0 on. */
void cell_name(char name[24], unsigned column, unsigned row);

#endif
