/* The dead letters of this service's groups: read, and sent back. Only for commands: each call waits, and there is no loop.
 *
 * A dead-letter topic holds letters and marks. A mark follows a letter in its partition and says, by its one header, that the letter of
 * that offset was sent back; so what is done is known to whoever reads the topic, from wherever, and nothing has to be deleted.
 */
#ifndef EC_BUS_LETTERS_H
#define EC_BUS_LETTERS_H

#include "bus_consumer.h"

struct bus_letter {
    const char *topic; /* where the letter is; the reader's */
    int32_t partition;
    struct bus_message *message; /* as it lies there */
    int64_t replayed_ms;         /* 0: not sent back yet */
};

struct bus_letters;

/* Finds the partitions of the service's dead-letter topics, or the one named, from an offset on. NULL: a line on stderr has said why. */
struct bus_letters *bus_letters_open(void);
struct bus_letters *bus_letters_open_at(const char *topic, int32_t partition, int64_t offset);
void bus_letters_close(struct bus_letters *letters);

/* Reads all there is. each (or NULL) gets the letters of this service's groups, in the order of their partition; it returns true when it
 * keeps letter->message, which it then frees. The first reading gathers the marks: its letters have no replayed_ms, ask
 * bus_letters_replayed after it. A second one ends where the first did, and its letters have it. False: a line on stderr has said why. */
bool bus_letters_read(struct bus_letters *letters, bool (*each)(void *data, struct bus_letter *letter), void *data);
int64_t bus_letters_replayed(struct bus_letters *letters, const struct bus_letter *letter);

/* Sends letters back to the topics that they came from, marks those that have arrived, and sets replayed_ms. Returns how many did. Those
 * that could not be sent have a line on stderr. */
size_t bus_letters_send(struct bus_letters *letters, struct bus_letter *list, size_t n);

#endif
