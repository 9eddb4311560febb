"""Files of a submission that is not trusted: folders, LoadGen's logs, user.conf, endpoint results."""
