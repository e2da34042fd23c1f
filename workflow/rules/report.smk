# One table of all runs, one file or page for each artefact, and the report.


rule collect:
    input:
        PATHS.results_files,
    output:
        PATHS.table,
    log:
        LOGS / "collect.log",
    benchmark:
        BENCHMARKS / "collect.tsv"
    priority: JOBS.priority("collect")
    localrule: True
    conda:
        "../envs/pdbench.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        study=ARGUMENT,
    message:
        "collect all runs"
    shell:
        "pdbench collect {params.study:q} > {log} 2>&1"


rule figure:
    input:
        PATHS.artefact_inputs(),
    output:
        PATHS.artefact("{artefact}", "figure"),
    log:
        LOGS / "artefact/{artefact}.log",
    benchmark:
        BENCHMARKS / "artefact/{artefact}.tsv"
    wildcard_constraints:
        artefact="|".join(STUDY.artefacts),
    priority: JOBS.priority("figure")
    localrule: True
    conda:
        "../envs/pdbench.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        study=ARGUMENT,
        spec=lambda w: JOBS.artefact_spec(w.artefact),
    message:
        "draw {wildcards.artefact}"
    shell:
        "pdbench artefact {params.study:q} {wildcards.artefact} > {log} 2>&1"


use rule figure as table with:
    output:
        PATHS.artefact("{artefact}", "table"),
    priority: JOBS.priority("table")


for artefact in STUDY.artefacts:

    rule:
        name:
            artefact
        input:
            PATHS.artefact(artefact),
        localrule: True


rule report:
    input:
        PATHS.artefacts(),
        PATHS.artefact_inputs(),
    output:
        PATHS.index,
    log:
        LOGS / "report.log",
    benchmark:
        BENCHMARKS / "report.tsv"
    priority: JOBS.priority("report")
    localrule: True
    conda:
        "../envs/pdbench.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        study=ARGUMENT,
        spec=JOBS.report_spec(),
    message:
        "write the report"
    shell:
        "pdbench report {params.study:q} > {log} 2>&1"
