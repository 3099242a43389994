/* What process 1 of a cage does with a file: which tools, in which order. */
#ifndef EXTRACT_JOB_H
#define EXTRACT_JOB_H

#include "extract/extract.h"

/* A cage_main(); its order is a struct extract_order. */
void job_main(void *order);
/* What tesseract reads, as its -l takes it; it lives as long as the program. */
void job_languages(const char *languages);
/* Names of tools, and the folder that they are in inside the cage (the default: /usr/bin). */
void job_tools(const char *folder);
enum job_tool { JOB_PDFTOTEXT, JOB_PDFTOHTML, JOB_PDFTOPPM, JOB_TESSERACT, JOB_TOOLS };
extern const char *const job_tool_names[JOB_TOOLS];

#endif
