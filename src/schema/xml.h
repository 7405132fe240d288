/* XML: one element a record. */
#ifndef NK_XML_H
#define NK_XML_H

#include "schema/rows.h"

typedef struct nk_xml_seen {
    nk_str row_tag; /* arena */
    uint64_t records, bytes;
    bool declared; /* begins with <?xml */
    bool cut;      /* the only row ends behind the sample */
} nk_xml_seen;

/* Observes the elements named row_tag; empty: the commonest child of the root, else the root
 * itself. Attributes are fields with a "_" before their name, an element's text beside attributes
 * is "_VALUE", an element that is there more than once is an array, text is typed as in CSV
 * (integers that fit are INT). A last, cut row is left out. NK_E_PARSE when it is not XML or holds
 * no row. Entities are not expanded, nothing is fetched. */
nk_code nk_xml_observe(nk_infer *in, nk_str sample, bool whole, nk_str row_tag, nk_arena *a,
                       nk_xml_seen *out, nk_err *err) NK_MUST;

#endif
