/* Removal of what nobody asks for any more (docs/design.md, What goes). */
#ifndef EC_CLEAN_H
#define EC_CLEAN_H

extern int ec_clean_ms; /* from one round to the next; a test has less */

void ec_clean_start(void); /* after the group lane */
void ec_clean_stop(void);

#endif
