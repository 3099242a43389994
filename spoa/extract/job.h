/* The work of process 1 of a cage: which tools read a file, in which order. */
#ifndef EXTRACT_JOB_H
#define EXTRACT_JOB_H

#include "extract/extract.h"

/* A cage_main(); `order` is a struct extract_order. */
void job_main(void *order);
/* Sets the languages of tesseract, in the form of its -l. The string must live as long as the
 * program. */
void job_languages(const char *languages);
/* Sets the folder of the tools inside the cage (default: /usr/bin). job_tool_names are their
 * names. */
void job_tools(const char *folder);
enum job_tool { JOB_PDFTOTEXT, JOB_PDFTOHTML, JOB_PDFTOPPM, JOB_TESSERACT, JOB_TOOLS };
extern const char *const job_tool_names[JOB_TOOLS];

#endif
