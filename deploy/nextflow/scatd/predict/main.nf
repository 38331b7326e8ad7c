process SCATD_PREDICT {
    tag "${meta.id} ${drug}"
    label 'process_low'

    conda "${moduleDir}/environment.yml"
    container 'scatd:0.2.0'

    input:
    tuple val(meta), path(cells, stageAs: 'cells/*')
    val drug
    val store

    output:
    tuple val(meta), path("${prefix}.h5ad"), emit: h5ad
    path 'versions.yml'                    , emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: meta.id
    """
    export MLFLOW_TRACKING_URI='${store}'
    export OMP_NUM_THREADS=${task.cpus}
    scatd predict --drug '${drug}' ${args} '${cells}' --output '${prefix}.h5ad'

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        scatd: \$(scatd --version | sed 's/.* //')
    END_VERSIONS
    """

    stub:
    prefix = task.ext.prefix ?: meta.id
    """
    touch '${prefix}.h5ad'

    cat <<-END_VERSIONS > versions.yml
    "${task.process}":
        scatd: \$(scatd --version | sed 's/.* //')
    END_VERSIONS
    """
}
