"""A toy service of policies, as small as one can be: mail of a policy that has it on is not delivered. It is installed
for its own test alone."""
