"""Use case: name the cells whose labels would make the choice of drugs surer."""
