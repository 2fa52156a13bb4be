/* What a person sees of a running system: a live table on a terminal, single lines elsewhere. */
#ifndef ECC_SHOW_H
#define ECC_SHOW_H

#include "up.h"

void ecc_show(struct ecc_up *up, bool complete, bool stopping);
void ecc_show_erase(void);    /* before a line of text is written; the table comes again with the next ecc_show */
bool ecc_show_is_drawn(void);
void ecc_show_ready(struct ecc_up *up);

#endif
