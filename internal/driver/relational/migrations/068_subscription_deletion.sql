-- Deletions are told too, and how often deliveries failed is counted.
ALTER TABLE subscription_event ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0; -- version that was deleted, 0 for none
ALTER TABLE subscription_state ADD COLUMN errors INTEGER NOT NULL DEFAULT 0;  -- failed deliveries altogether
