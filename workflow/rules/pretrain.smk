# Pre-training of students, once for each corpus and size, and for each method that has an
# objective of its own for it: {size} is "4-256", or "4-256.distilbert".


rule pretrain:
    input:
        data=lambda w: PATHS.pretrain_inputs(w.corpus, w.size),
        # It must be there, but a new date on it is no reason to train again.
        audit=ancient(PATHS.audit),
    output:
        PATHS.results / "pretrained/{corpus}/{size}/record.json",
    log:
        LOGS / "pretrain/{corpus}.{size}.log",
    benchmark:
        BENCHMARKS / "pretrain/{corpus}.{size}.tsv"
    wildcard_constraints:
        size=r"\d+-\d+(\.[\w-]+)?",
    priority: lambda w: JOBS.priority("pretrain", f"{w.corpus}.{w.size}")
    conda:
        "../envs/pdbench.yaml"
    threads: 1
    params:
        study=ARGUMENT,
        start=lambda w: JOBS.pretrain_arguments(w.corpus, w.size),
        spec=lambda w: JOBS.pretrain_spec(w.corpus, w.size),
    message:
        "pre-train {wildcards.size} on {wildcards.corpus}"
    # `exec`: a signal that ends the job reaches the program, which then saves its state.
    shell:
        "exec pdbench pretrain {params.study:q} {params.start} --threads {threads} > {log} 2>&1"
