# The workflow is workflow/Snakefile. An include alone would leave nothing to build, so the
# first target is named here.
include: "workflow/Snakefile"


rule study:
    input:
        rules.all.input,
    localrule: True
