-- SPDX-License-Identifier: Apache-2.0

-- A program with ranks of its own. Its source is the program in base64, in which nobody looks for words.
ALTER TABLE graph_version ADD COLUMN application text;
ALTER TABLE graph_version DROP COLUMN search;
ALTER TABLE graph_version ADD COLUMN search tsvector NOT NULL GENERATED ALWAYS AS (
    setweight(search_words(name_words(namespace || '/' || name)), 'A')
    || setweight(search_words(left(coalesce(documentation, ''), 50000)), 'B')
    || setweight(search_words(name_words(left(element_names, 50000))), 'B')
    || setweight(search_words(left(element_texts, 100000)), 'C')
    || setweight(to_tsvector('pg_catalog.english', CASE WHEN application IS NULL THEN left(source, 200000) ELSE '' END), 'D')
) STORED;
CREATE INDEX graph_version_search ON graph_version USING gin (search);
